# minimal: halts at once, the smallest guest there is. 1 exit: the hlt.
        .code16
        hlt                             # f4, the only byte of the image
