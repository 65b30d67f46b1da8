//! A figure, with its caption.

use super::inline;

/// Wider figures than this scroll on a narrow screen rather than shrink: their text must be legible.
const SHRINKS_TO: f64 = 560.0;

/// The figure for a page.
pub fn html(name: &str, svg: &str, caption: &str) -> String {
    let svg = svg.split_whitespace().collect::<Vec<_>>().join(" ");
    let svg = own_ids(name, svg);
    let width = view_box_width(&svg).unwrap_or(SHRINKS_TO);
    let role = if svg.contains("role=\"img\"") { "" } else { "role=\"img\" " };
    let least =
        if width > SHRINKS_TO { format!("min-width:{SHRINKS_TO}px;") } else { String::new() };
    let svg = svg.replacen("<svg", &format!("<svg {role}style=\"{least}max-width:{width}px\""), 1);
    format!(
        "<figure class=\"figure\" id=\"figure-{name}\"><div class=\"figure-body\" tabindex=\"0\">{svg}\
         </div><figcaption>{}</figcaption></figure>",
        inline(caption)
    )
}

fn view_box_width(svg: &str) -> Option<f64> {
    let (_, rest) = svg.split_once("viewBox=\"")?;
    let (numbers, _) = rest.split_once('"')?;
    numbers.split([' ', ',']).filter(|part| !part.is_empty()).nth(2)?.parse().ok()
}

/// Two figures on one page may both have an arrow head called `arrow`.
fn own_ids(name: &str, mut svg: String) -> String {
    let ids: Vec<String> = svg
        .split(" id=\"")
        .skip(1)
        .filter_map(|rest| rest.split_once('"'))
        .map(|(id, _)| id.to_owned())
        .collect();
    for id in ids {
        let own = format!("{name}-{id}");
        for (before, after) in [
            (format!(" id=\"{id}\""), format!(" id=\"{own}\"")),
            (format!("url(#{id})"), format!("url(#{own})")),
            (format!("href=\"#{id}\""), format!("href=\"#{own}\"")),
            (format!("aria-labelledby=\"{id}\""), format!("aria-labelledby=\"{own}\"")),
            (format!("aria-describedby=\"{id}\""), format!("aria-describedby=\"{own}\"")),
        ] {
            svg = svg.replace(&before, &after);
        }
    }
    svg
}
