//! What a terminal shows: a command, and what it printed.

use crate::directive::Ranges;
use crate::snapshot::{Snapshot, Stream};

use super::{escape, one_line};

/// What a block is called that needs no other name.
const TERMINAL: &str = "terminal";

/// A snapshot, or some of its lines.
pub fn html(case: &str, snapshot: &Snapshot, lines: Option<&Ranges>) -> String {
    let mut rows = command(&snapshot.command);
    let mut number = 0;
    let mut skipped = false;
    let mut stream = |stream: &Stream, class: &str, rows: &mut String| {
        for line in &stream.lines {
            number += 1;
            if lines.is_none_or(|lines| lines.contains(number)) {
                skipped = false;
                *rows += &format!("<samp class=\"l{class}\">{}&#10;</samp>", escape(line));
            } else if !skipped {
                skipped = true;
                *rows += "<span class=\"l note\">⋯&#10;</span>";
            }
        }
        if !stream.ends {
            *rows += "<span class=\"l note\">(no newline at the end)&#10;</span>";
        }
    };
    stream(&snapshot.stdout, "", &mut rows);
    stream(&snapshot.stderr, " err", &mut rows);
    if snapshot.status != 0 {
        rows += &format!("<span class=\"l note\">exit status {}&#10;</span>", snapshot.status);
    }
    let label = match &snapshot.fault {
        Some(fault) => {
            let what = match fault.split_once(':') {
                Some(("open", _)) => "without KVM",
                Some(("lacks", _)) => "on a KVM that lacks something",
                Some(("exit", _)) => "on a KVM made to end KVM_RUN like this",
                _ => "on a KVM made to fail",
            };
            format!("{TERMINAL}, {what}")
        }
        None => TERMINAL.to_owned(),
    };
    block(&format!(" data-case=\"{}\"", escape(case)), &label, &rows)
}

/// A block of commands.
pub fn commands(lines: &[String]) -> String {
    let mut rows = String::new();
    for line in lines {
        rows += &match line.strip_prefix("$ ") {
            Some(text) => command(text),
            None => format!("<kbd class=\"l\">{}&#10;</kbd>", escape(line)),
        };
    }
    block("", TERMINAL, &rows)
}

fn command(text: &str) -> String {
    format!(
        "<span class=\"l\"><span class=\"prompt\" aria-hidden=\"true\">$ </span><kbd>{}</kbd>&#10;</span>",
        escape(text)
    )
}

fn block(attributes: &str, label: &str, rows: &str) -> String {
    let name = one_line(label);
    let head = format!("<div class=\"code-head\"><span class=\"code-name\">{name}</span></div>");
    format!(
        "<div class=\"code output\"{attributes}>{head}<div class=\"code-body\" tabindex=\"0\" \
         role=\"region\" aria-label=\"{name}\"><pre>{rows}</pre></div></div>"
    )
}
