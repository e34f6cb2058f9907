"""Weight fusion: up to which block do pretrained weights help?

Claim     Palanisamy et al. 2020, Fig. 2b: accuracy climbs with each pretrained block, to about 90 % once
          Block3 is pretrained; Block4 adds nothing.
Command   python analyses/weight_fusion.py --data ESC50 --folds 4 --epochs 4
Run time  28 min on 2 cores beside other jobs, 6 trainings
Paper     DenseNet-201, ESC-50: 72.5 % with none pretrained, about 90 % up to Block3, flat after.
Ours      efficientnet_lite0, ESC-50 at 16 kHz, 8 bit, fold 4, one seed, 4 epochs: none 29.8, stem 25.0,
          block1 38.8, block2 52.8, block3 78.2, block4 82.5 %; n = 400, intervals of +-4 to 5 points.

Give the fully fine-tuned run by ``--ckpt``, or let the script train it and everything else.
"""

from tlprobe.cli.analysis import cells_of, describe_cell, run_analysis

if __name__ == "__main__":
    run_analysis(cells_of, describe=describe_cell, script=__file__, probe="cells", about=__doc__)
