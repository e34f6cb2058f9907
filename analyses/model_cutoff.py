"""Model cutoff: how much of the network is needed?

Claim     Palanisamy et al. 2020, section IV-B: about 90 % without Block4, about 85 % without Block3 and
          Block4, against 91.16 % in full.
Command   python analyses/model_cutoff.py --data ESC50 --scale medium
Run time  30 trainings, 2 s a training of 5 epochs on one H200; small: 12 trainings, 2 min each on 2 cores
Paper     DenseNet-201, ESC-50: 90 % after Block3, 85 % after Block2.
Ours      efficientnet_lite0, ESC-50 at 16 kHz, 8 bit, 5 folds, one seed, 5 epochs, n = 2000: stem 9.3, block1
          20.0, block2 45.2, block3 78.7, block4 81.0 %. Without block4 -2.3 [-4.0, -0.6] points: holds. Without block3
          too it loses 36 points, not 5; what is left has 58 thousand weights.

The network ends after a block, with global average pooling and a new linear head.
"""

from tlprobe.cli.analysis import cells_of, describe_cell, run_analysis

if __name__ == "__main__":
    run_analysis(cells_of, describe=describe_cell, script=__file__, probe="cells", about=__doc__)
