//! The curves of a day as a picture.

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use super::Watched;

const SIZE: (u32, u32) = (960, 640);

/// Draws what was acknowledged and how long that took above what lay behind.
pub fn draw(path: &str, watched: &Watched) -> Result<()> {
    drawn(path, watched).map_err(|error| anyhow!("{path} cannot be drawn: {error}"))
}

fn drawn(path: &str, watched: &Watched) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let (above, below) = area.split_vertically(SIZE.1 / 2);
    let seconds = i64::try_from(watched.seconds.len())?;
    let of = |value: &dyn Fn(&super::Second) -> i64| -> Vec<(i64, i64)> {
        (0..).zip(watched.seconds.iter().map(value)).collect()
    };
    let acknowledged = of(&|it| i64::try_from(it.acknowledged).unwrap_or(i64::MAX));
    let waits = of(&|it| i64::try_from(it.p99).unwrap_or(i64::MAX));
    let undecoded = of(&|it| it.undecoded);
    let open = of(&|it| it.open);
    panel(
        &above,
        ("Front door", SeriesLabelPosition::MiddleRight),
        seconds,
        &watched.marks,
        [
            ("acknowledged in a second", &acknowledged, BLUE),
            ("p99 of their acknowledgement, ms", &waits, RED),
        ],
    )?;
    panel(
        &below,
        ("What lies behind", SeriesLabelPosition::MiddleLeft),
        seconds,
        &watched.marks,
        [
            ("messages to be decoded", &undecoded, BLUE),
            ("commands that the books have not carried out", &open, RED),
        ],
    )?;
    area.present()?;
    Ok(())
}

type Curve<'a> = (&'a str, &'a [(i64, i64)], RGBColor);

fn panel(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    (title, legend): (&str, SeriesLabelPosition),
    seconds: i64,
    marks: &[(usize, &str)],
    curves: [Curve<'_>; 2],
) -> Result<(), Box<dyn std::error::Error>> {
    let highest = curves.iter().flat_map(|(_, points, _)| points.iter().map(|(_, it)| *it)).max();
    let top = highest.unwrap_or(1).max(1) * 5 / 4;
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(32)
        .y_label_area_size(56)
        .build_cartesian_2d(0..seconds, 0..top)?;
    chart.configure_mesh().x_desc("seconds").light_line_style(WHITE).draw()?;
    for (from, name) in marks {
        let from = i64::try_from(*from)?;
        chart.draw_series([PathElement::new(vec![(from, 0), (from, top)], BLACK.mix(0.4))])?;
        let style = ("sans-serif", 12).into_font().color(&BLACK.mix(0.7));
        chart.draw_series([Text::new((*name).to_owned(), (from + 1, top), style)])?;
    }
    for (name, points, colour) in curves {
        chart
            .draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| {
                PathElement::new(vec![(x, y), (x + 16, y)], colour.stroke_width(2))
            });
    }
    chart
        .configure_series_labels()
        .position(legend)
        .margin(20)
        .background_style(WHITE.mix(0.8))
        .draw()?;
    Ok(())
}
