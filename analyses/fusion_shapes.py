"""Fusion shapes: is it the first blocks, the last, or one block that carries what was learnt?

Claim     none in the paper: its Fig. 2b pretrains the blocks up to one, which says that Block3 is enough, but not
          that it is needed.
Command   python analyses/fusion_shapes.py --data ESC50
Run time  see fusion_shapes.yaml
Paper     nothing to compare with.
Ours      figures/fusion_shapes/table.md

Pretrained up to a block (the paper's), from it on, alone in it, in all but it; the other blocks start at random.
"""

from tlprobe.cli.analysis import cells_of, describe_cell, run_analysis

if __name__ == "__main__":
    run_analysis(cells_of, describe=describe_cell, script=__file__, probe="cells", about=__doc__)
