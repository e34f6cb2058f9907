"""Model cutoff: how much of the network is needed?

Claim     Palanisamy et al. 2020, section IV-B: about 90 % without Block4, about 85 % without Block3 and
          Block4, against 91.16 % in full.
Command   python analyses/model_cutoff.py --data ESC50
Run time  12 trainings, 4 of them shared with pretrained_vs_random; 10 min for 8 on 2 cores beside other jobs
Paper     DenseNet-201, ESC-50: 90 % after Block3, 85 % after Block2.
Ours      efficientnet_lite0, ESC-50 at 16 kHz, 8 bit, fold 4, two seeds, 3 epochs: stem 6.6, block1 12.1,
          block2 31.9, block3 78.6, block4 (whole) 80.8 %; n = 400, intervals of +-2 to 5 points. Without block4 no
          difference is seen (-2.1 [-5.4, +1.2] points); without block3 and 4, 48.9 points are lost, not 6.

The network ends after a block, with global average pooling and a new linear head.
"""

from tlprobe.cli.analysis import cells_of, describe_cell, run_analysis

if __name__ == "__main__":
    run_analysis(cells_of, describe=describe_cell, script=__file__, probe="cells", about=__doc__)
