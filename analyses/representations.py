"""Representations: does it matter what a clip is shown as?

Claim     Palanisamy et al. 2020, Section 3: log-mel works best, before log-spectrogram, MFCC and gammatone; three
          windows, one a channel, are taken in place of one log-mel copied thrice.
Command   python analyses/representations.py --data ESC50
Run time  10 trainings of 3 epochs, 5 min each on 2 cores, two at a time; medium: 25 of 10 epochs
Paper     no numbers; found with a small network trained from random weights, on ESC-50.
Ours      efficientnet_lite0, ESC-50 at 16 kHz, 8 bit, fold 4, two seeds, 3 epochs, n = 400: log-mel3 81.0 [77.3, 84.6],
          log-mel 80.1, gammatone 78.8, log-spec 76.6, mfcc 66.5 %. Only mfcc is told from log-mel3 (-14.5 [-19.0,
          -10.0] points, Holm p 0.0004); three windows give 0.9 [-2.1, 3.8] points over one. Not run at medium scale.

Networks differ in what they are shown, and in nothing else: clips, recipe, epochs and seeds are the same, so
differences are paired. What the recipe was tuned for is log-mel3, and a network that has seen photographs may like
neighbouring rows to be alike, which cepstral coefficients are not.
"""

from tlprobe.cli.analysis import cells_of, describe_cell, run_analysis

if __name__ == "__main__":
    run_analysis(cells_of, describe=describe_cell, script=__file__, probe="cells", about=__doc__)
