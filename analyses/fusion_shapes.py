"""Fusion shapes: is it the first blocks, the last, or one block that carries what was learnt?

Claim     none in the paper: its Fig. 2b pretrains the blocks up to one, which says that Block3 is enough, but not
          that it is needed.
Command   python analyses/fusion_shapes.py --data ESC50
Run time  16 trainings, 6 of them shared with weight_fusion; 22 min for 10 on 2 cores beside other jobs
Paper     nothing to compare with.
Ours      efficientnet_lite0, ESC-50 at 16 kHz, 8 bit, fold 4, one seed, 3 epochs, n = 400. Alone: stem 23.2,
          block1 26.8, block2 34.8, block3 45.0, block4 30.2 % (none 25.0). All but: stem 77.5, block1 68.5, block2
          61.3, block3 51.5, block4 73.5 % (all 80.0). From: block1 77.5, block2 63.7, block3 53.2, block4 30.2 %. So
          block3 carries most, alone and missing, and block2 is missed more than block4.

Pretrained up to a block (the paper's), from it on, alone in it, in all but it; the other blocks start at random.
"""

from tlprobe.cli.analysis import cells_of, describe_cell, run_analysis

if __name__ == "__main__":
    run_analysis(cells_of, describe=describe_cell, script=__file__, probe="cells", about=__doc__)
