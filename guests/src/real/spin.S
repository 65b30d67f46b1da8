# spin: jumps to itself for ever. No exit: only the host can end it.
        .code16
self:   jmp     self
