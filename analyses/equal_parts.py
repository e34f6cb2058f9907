"""Equal parts: is Block3 special, or just big?

Claim     none in the paper. Block3 of DenseNet-201 is 45 % of its weights, so a block's effect and its size cannot be
          told apart; four parts of equal size can.
Command   python analyses/equal_parts.py --data ESC50 --scale medium
Run time  50 trainings, 2 s a training of 5 epochs on one H200; small: 10 trainings, 3 min each on 2 cores
Paper     nothing to compare with.
Ours      efficientnet_lite0, ESC-50 at 16 kHz, 8 bit, 5 folds, one seed, 5 epochs, n = 2000, random 36.5, full
          81.0 %. part1 (stem to block3, a fifth of the weights) alone 75.8, the three parts of block4 44.5, 33.4, 33.4.
          All but: 38.4, 72.5, 82.3, 81.9: part3 and part4 bring nothing (+1.4 [0.0, 2.7], +0.9 [-0.6, 2.4], Holm p 0.11
          and 0.26). So it is not size.

The network is cut between its units into four parts with as equal numbers of weights as these allow; each part alone,
and all but it, starts pretrained.
"""

from tlprobe.cli.analysis import cells_of, describe_cell, run_analysis

if __name__ == "__main__":
    run_analysis(cells_of, describe=describe_cell, script=__file__, probe="cells", about=__doc__)
