//! The table that the command prints.

use performance::{Clock, Group, Performance, quantity, ratio};

pub fn text(measured: &Performance) -> String {
    let rows = measured.groups.iter().flat_map(|group| &group.rows);
    let width = rows.map(|row| plain(&row.name).chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for group in &measured.groups {
        text += &format!("{}{}\n", plain(&group.title), clock(group));
        if let Some(why) = &group.missing {
            text += &format!("  not measured: {why}\n");
        }
        for row in &group.rows {
            let name = plain(&row.name);
            let value = plain(&quantity(row.value, &group.unit));
            text += &format!("  {name:<width$}  {value:>28}{:>8}\n", ratio(row.ratio));
            for (part, value) in row.parts.iter().filter(|(_, value)| **value > 0.0) {
                text += &format!("    {part:<width$}{value:>12.0}\n");
            }
        }
        text += "\n";
    }
    text += &format!("{}\n", measured.date);
    for (name, what) in &measured.machine {
        text += &format!("{name}: {what}\n");
    }
    text
}

fn clock(group: &Group) -> &'static str {
    match group.clock {
        Clock::Wall if group.missing.is_none() => ", by this machine's clock",
        _ => "",
    }
}

fn plain(text: &str) -> String {
    text.replace('`', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_table_for_all() {
        let rounds = [vec![2697.0, 2808.0]];
        let mut exits = Group::of_rounds(
            "exits",
            "an exit",
            "instructions",
            &["`KVM_RUN`", "`ch05-uart`"],
            &rounds,
        );
        exits.rows[1].parts.insert("I/O".to_owned(), 12.0);
        let nest =
            Group::of_rounds("nest", "a nest", "s", &["first"], &[vec![3.0]]).by_wall_clock();
        let missing = Group::missing("x", "something", "no KVM");
        let measured = Performance {
            date: "2026-11-23".to_owned(),
            machine: vec![("CPU".to_owned(), "one".to_owned())],
            groups: vec![exits, nest, missing],
        };
        assert_eq!(
            text(&measured),
            "an exit\n  \
               KVM_RUN              2,697 instructions    1.00\n  \
               ch05-uart            2,808 instructions    1.04\n    \
                 I/O                12\n\
             \n\
             a nest, by this machine's clock\n  \
               first                            3.00 s    1.00\n\
             \n\
             something\n  \
               not measured: no KVM\n\
             \n\
             2026-11-23\n\
             CPU: one\n"
        );
    }
}
