"""Equal parts: is Block3 special, or just big?

Claim     none in the paper. Block3 of DenseNet-201 is 45 % of its weights, so a block's effect and its size cannot be
          told apart; four parts of equal size can.
Command   python analyses/equal_parts.py --data ESC50
Run time  see equal_parts.yaml
Paper     nothing to compare with.
Ours      figures/equal_parts/table.md

The network is cut between its units into four parts with as equal numbers of weights as these allow; each part alone,
and all but it, starts pretrained.
"""

from tlprobe.cli.analysis import cells_of, describe_cell, run_analysis

if __name__ == "__main__":
    run_analysis(cells_of, describe=describe_cell, script=__file__, probe="cells", about=__doc__)
