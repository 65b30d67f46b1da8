use super::*;

#[test]
fn wherever_a_change_slides_to_both_texts_stay_what_they_are() {
    let mut seed = 1_u32;
    let mut text = || {
        let mut line = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ["}\n", "\n", "fn a() {\n", "    b\n", "        c\n"][seed as usize / 7919 % 5]
        };
        (0..12).map(|_| line()).collect::<String>()
    };
    for _ in 0..2000 {
        let (old, new) = (text(), text());
        let lines = lines(
            Path::new("a.rs"),
            Some(&old.clone().into_bytes()),
            Some(&new.clone().into_bytes()),
            View::Patch,
        );
        for (number, expected) in
            [((|line| line.old) as fn(&Line) -> usize, old), (|line| line.new, new)]
        {
            let side: Vec<_> = lines.iter().filter(|line| number(line) > 0).collect();
            assert!(side.iter().map(|line| number(line)).eq(1..=expected.lines().count()));
            assert!(side.iter().map(|line| line.text.as_str()).eq(expected.lines()));
        }
        for line in &lines {
            let (has_old, has_new) = (line.kind != Kind::Added, line.kind != Kind::Removed);
            assert_eq!((line.old > 0, line.new > 0), (has_old, has_new));
        }
    }
}
