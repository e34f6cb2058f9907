"""Block freezing: which blocks have to be fine-tuned at all?

Claim     Palanisamy et al. 2020, Fig. 2c: freezing the first two blocks costs 2 to 3 points, freezing up
          to Block3 nearly 10.
Command   python analyses/block_freezing.py --data ESC50
Run time  14 trainings, 4 of them shared with pretrained_vs_random; 17 min for 10 on 2 cores beside other jobs
Paper     DenseNet-201, ESC-50: -2 to -3 points up to Block2, nearly -10 up to Block3.
Ours      efficientnet_lite0, ESC-50 at 16 kHz, 8 bit, fold 4, two seeds, 3 epochs: none 80.8, stem 82.0,
          block1 81.8, block2 82.8, block3 79.4, block4 56.8 %; n = 400, intervals of +-4 to 5 points. Up to block3 no
          difference to full fine-tuning is seen (-1.4 [-4.6, +1.9] points there).

A frozen block gets no gradient, and its batch-norm statistics stand still.
"""

from tlprobe.cli.analysis import cells_of, describe_cell, run_analysis

if __name__ == "__main__":
    run_analysis(cells_of, describe=describe_cell, script=__file__, probe="cells", about=__doc__)
