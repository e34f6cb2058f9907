"""Equal parts: is Block3 special, or just big?

Claim     none in the paper. Block3 of DenseNet-201 is 45 % of its weights, so a block's effect and its size cannot be
          told apart; four parts of equal size can.
Command   python analyses/equal_parts.py --data ESC50
Run time  10 trainings, 2 of them shared with pretrained_vs_random; 15 min for 8 on 2 cores beside other jobs
Paper     nothing to compare with.
Ours      efficientnet_lite0, ESC-50 at 16 kHz, 8 bit, fold 4, one seed, 3 epochs, n = 400. part1 is stem to
          block3, parts 2 to 4 are of block4: 0.70, 0.70, 0.95, 1.02 M weights. Alone: 73.5, 31.2, 21.5, 22.5 % (none
          25.0). All but: 30.2, 65.2, 83.5, 84.5 % (all 80.0). So size explains nothing here, and the pretrained last
          half costs: +3.5 [+0.5, +6.7] and +4.5 [+1.0, +8.0] points without part3 and without part4 (Holm p 0.042,
          0.037).

The network is cut between its units into four parts with as equal numbers of weights as these allow; each part alone,
and all but it, starts pretrained.
"""

from tlprobe.cli.analysis import cells_of, describe_cell, run_analysis

if __name__ == "__main__":
    run_analysis(cells_of, describe=describe_cell, script=__file__, probe="cells", about=__doc__)
