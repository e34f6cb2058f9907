"""Fusion shapes: is it the first blocks, the last, or one block that carries what was learnt?

Claim     none in the paper: its Fig. 2b pretrains the blocks up to one, which says that Block3 is enough, but not
          that it is needed.
Command   python analyses/fusion_shapes.py --data ESC50 --scale medium
Run time  80 trainings, 2 s a training of 5 epochs on one H200; small: 16 trainings, 3 min each on 2 cores
Paper     nothing to compare with.
Ours      efficientnet_lite0, ESC-50 at 16 kHz, 8 bit, 5 folds, one seed, 5 epochs, n = 2000, random 36.5, full
          81.0 %. Alone: stem 30.2, block1 39.2, block2 45.7, block3 53.1, block4 38.4. All but: 76.5, 68.9, 70.2, 62.5,
          75.8. From: block1 76.5, block2 69.3, block3 59.0, block4 38.4. block3 matters most in each shape; a
          pretrained stem alone is worse than a random one, -6.3 [-8.5, -4.1] points.

Pretrained up to a block (the paper's), from it on, alone in it, in all but it; the other blocks start at random.
"""

from tlprobe.cli.analysis import cells_of, describe_cell, run_analysis

if __name__ == "__main__":
    run_analysis(cells_of, describe=describe_cell, script=__file__, probe="cells", about=__doc__)
