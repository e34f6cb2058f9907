"""Weight fusion: up to which block do pretrained weights help?

Claim     Palanisamy et al. 2020, Fig. 2b: accuracy climbs with each pretrained block, to about 90 % once
          Block3 is pretrained; Block4 adds nothing.
Command   python analyses/weight_fusion.py --data ESC50 --scale medium
Run time  30 trainings, 2 s a training of 5 epochs on one H200; small: 12 trainings, 3 min each on 2 cores
Paper     DenseNet-201, ESC-50: 72.5 % with none pretrained, about 90 % up to Block3, flat after.
Ours      efficientnet_lite0, ESC-50 at 16 kHz, 8 bit, 5 folds, one seed, 5 epochs, n = 2000: none 36.5, stem
          30.2, block1 40.2, block2 56.5, block3 75.8, block4 81.0 %; intervals of +-2 to 3 points. block4 adds 5.1
          [3.3, 7.0] points, which the paper does not see.

Every point has one recipe, split and pair of seeds, the random ones included.
"""

from tlprobe.cli.analysis import cells_of, describe_cell, run_analysis

if __name__ == "__main__":
    run_analysis(cells_of, describe=describe_cell, script=__file__, probe="cells", about=__doc__)
