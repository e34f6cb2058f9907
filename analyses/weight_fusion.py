"""Weight fusion: up to which block do pretrained weights help?

Claim     Palanisamy et al. 2020, Fig. 2b: accuracy climbs with each pretrained block, to about 90 % once
          Block3 is pretrained; Block4 adds nothing.
Command   python analyses/weight_fusion.py --data ESC50
Run time  12 trainings, 4 of them shared with pretrained_vs_random; 27 min for 8 on 2 cores beside other jobs
Paper     DenseNet-201, ESC-50: 72.5 % with none pretrained, about 90 % up to Block3, flat after.
Ours      efficientnet_lite0, ESC-50 at 16 kHz, 8 bit, fold 4, two seeds, 3 epochs: none 25.1, stem 22.0,
          block1 29.8, block2 43.4, block3 72.9, block4 80.8 %; n = 400, intervals of +-4 to 5 points. block4 adds 7.9
          points, which the paper does not see.

Every point has one recipe, split and pair of seeds, the random ones included.
"""

from tlprobe.cli.analysis import cells_of, describe_cell, run_analysis

if __name__ == "__main__":
    run_analysis(cells_of, describe=describe_cell, script=__file__, probe="cells", about=__doc__)
