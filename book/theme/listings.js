// What the blocks of code can do beside being read.
'use strict';

(function() {
    // Removed lines, notes and prompts are not for the clipboard; folded lines are.
    function codeOf(block) {
        const lines = block.classList.contains('output')
            ? Array.from(block.querySelectorAll('kbd'), line => line.textContent.trimEnd() + '\n')
            : Array.from(block.querySelectorAll('.l:not(del, .note)'), line => line.textContent);
        return lines.join('');
    }

    async function copy(text) {
        if (navigator.clipboard) {
            await navigator.clipboard.writeText(text);
        } else {
            // A page that does not come over TLS.
            window.ClipboardJS.copy(text);
        }
    }

    for (const block of document.querySelectorAll('.code')) {
        if (codeOf(block) === '') {
            continue; // all of it was removed
        }
        const button = document.createElement('button');
        button.type = 'button';
        button.className = 'code-copy';
        button.textContent = 'Copy';
        button.addEventListener('click', async event => {
            event.preventDefault();
            try {
                await copy(codeOf(block));
                button.textContent = 'Copied';
            } catch {
                button.textContent = 'Failed';
            }
            setTimeout(() => { button.textContent = 'Copy'; }, 1500);
        });
        const head = block.querySelector('div.code-head');
        if (head !== null) {
            head.append(button);
        } else {
            block.querySelector('.code-body').before(button); // a folded block
        }
    }

    // mdBook turns the page at these keys, but in here they scroll.
    for (const body of document.querySelectorAll('.code-body, .figure-body')) {
        body.addEventListener('keydown', event => {
            const arrows = ['ArrowLeft', 'ArrowRight'];
            if (arrows.includes(event.key) && body.scrollWidth > body.clientWidth) {
                event.stopPropagation();
            }
        });
    }

    // On paper nothing is folded but unchanged lines.
    let opened = [];
    window.addEventListener('beforeprint', () => {
        opened = Array.from(document.querySelectorAll('main details:not([open], .fold)'));
        opened.forEach(details => { details.open = true; });
    });
    window.addEventListener('afterprint', () => {
        opened.forEach(details => { details.open = false; });
    });
})();
