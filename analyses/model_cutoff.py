"""Model cutoff: how much of the network is needed?

Claim     Palanisamy et al. 2020, section IV-B: about 90 % without Block4, about 85 % without Block3 and
          Block4, against 91.16 % in full.
Command   python analyses/model_cutoff.py --data ESC50 --folds 4 --epochs 4
Run time  16 min on 2 cores, partly beside other jobs, 6 trainings, 2 of them shared with weight_fusion
Paper     DenseNet-201, ESC-50: 90 % after Block3, 85 % after Block2.
Ours      efficientnet_lite0, ESC-50 at 16 kHz, 8 bit, fold 4, one seed, 4 epochs: stem 8.8, block1 18.5,
          block2 38.2, block3 82.5, block4 (whole) 82.5 %; n = 400, intervals of +-3 to 5 points.

The network ends after a block, with global average pooling and a new linear head. Give the fully
fine-tuned run by ``--ckpt``, or let the script train it and everything else.
"""

from tlprobe.cli.analysis import cells_of, describe_cell, run_analysis

if __name__ == "__main__":
    run_analysis(cells_of, describe=describe_cell, script=__file__, probe="cells", about=__doc__)
