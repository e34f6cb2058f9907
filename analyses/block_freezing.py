"""Block freezing: which blocks have to be fine-tuned at all?

Claim     Palanisamy et al. 2020, Fig. 2c: freezing the first two blocks costs 2 to 3 points, freezing up
          to Block3 nearly 10.
Command   python analyses/block_freezing.py --data ESC50 --scale medium
Run time  35 trainings, 2 s a training of 5 epochs on one H200; small: 14 trainings, 2 min each on 2 cores
Paper     DenseNet-201, ESC-50: -2 to -3 points up to Block2, nearly -10 up to Block3.
Ours      efficientnet_lite0, ESC-50 at 16 kHz, 8 bit, 5 folds, one seed, 5 epochs, n = 2000: nothing frozen
          81.0 %; up to stem -0.1, block1 -0.8, block2 +0.2, block3 -2.9 [-4.8, -1.0] (Holm p 0.016), block4 -22.8
          points: freezing up to block2 costs nothing that is seen, up to block3 a third of what the paper says.

A frozen block gets no gradient, and its batch-norm statistics stand still.
"""

from tlprobe.cli.analysis import cells_of, describe_cell, run_analysis

if __name__ == "__main__":
    run_analysis(cells_of, describe=describe_cell, script=__file__, probe="cells", about=__doc__)
