"""Block freezing: which blocks have to be fine-tuned at all?

Claim     Palanisamy et al. 2020, Fig. 2c: freezing the first two blocks costs 2 to 3 points, freezing up
          to Block3 nearly 10.
Command   python analyses/block_freezing.py --data ESC50 --folds 4 --epochs 4
Run time  26 min on 2 cores beside other jobs, 7 trainings, 2 of them shared with weight_fusion
Paper     DenseNet-201, ESC-50: -2 to -3 points up to Block2, nearly -10 up to Block3.
Ours      efficientnet_lite0, ESC-50 at 16 kHz, 8 bit, fold 4, one seed, 4 epochs: none 82.5, stem 82.8,
          block1 83.0, block2 83.5, block3 81.2, block4 60.2 %; n = 400, intervals of +-4 to 5 points. The cost
          of Block3 is not seen.

A frozen block gets no gradient, and its batch-norm statistics stand still. Give the fully fine-tuned
run by ``--ckpt``, or let the script train it and everything else.
"""

from tlprobe.cli.analysis import cells_of, describe_cell, run_analysis

if __name__ == "__main__":
    run_analysis(cells_of, describe=describe_cell, script=__file__, probe="cells", about=__doc__)
