//! An answer as other programs read it: JSON lines and CSV (RFC 4180).

use pgward_model::answer::{Answer, Cell};
use serde::ser::{Serialize, SerializeMap, Serializer};

/// One JSON object a row and line, its keys in the order of the columns.
pub fn json_lines(answer: &Answer) -> String {
    let mut lines = String::new();
    for cells in &answer.rows {
        let row = Row { columns: &answer.columns, cells };
        lines.push_str(&serde_json::to_string(&row).expect("texts, numbers and lists are JSON"));
        lines.push('\n');
    }
    lines
}

/// A header and one record a row; NULL is empty.
pub fn csv(answer: &Answer) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut write = |record: Vec<String>| {
        writer.write_record(&record).expect("memory takes what is written, rows are of one length");
    };
    write(answer.columns.clone());
    answer.rows.iter().for_each(|row| write(row.iter().map(text).collect()));
    let bytes = writer.into_inner().expect("memory takes what is written");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A cell in words; NULL is empty.
pub(crate) fn text(cell: &Cell) -> String {
    match cell {
        Cell::Null => String::new(),
        Cell::Yes(yes) => yes.to_string(),
        Cell::Number(text) | Cell::Text(text) => text.clone(),
        Cell::List(cells) => cells.iter().map(text).collect::<Vec<_>>().join(", "),
    }
}

struct Row<'a> {
    columns: &'a [String],
    cells: &'a [Cell],
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.columns.len()))?;
        for (name, cell) in self.columns.iter().zip(self.cells) {
            map.serialize_entry(name, &Value(cell))?;
        }
        map.end()
    }
}

struct Value<'a>(&'a Cell);

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Cell::Null => to.serialize_unit(),
            Cell::Yes(yes) => to.serialize_bool(*yes),
            Cell::Text(text) => to.serialize_str(text),
            Cell::List(cells) => to.collect_seq(cells.iter().map(Value)),
            // What JSON has no way to write, such as NaN, stays a text.
            Cell::Number(text) => match (text.parse::<i64>(), text.parse::<f64>()) {
                (Ok(whole), _) => to.serialize_i64(whole),
                (_, Ok(float)) if float.is_finite() => to.serialize_f64(float),
                _ => to.serialize_str(text),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Answer {
        let text = |text: &str| Cell::Text(text.to_owned());
        let number = |text: &str| Cell::Number(text.to_owned());
        Answer {
            columns: ["what", "n", "also"].map(str::to_owned).to_vec(),
            rows: vec![
                vec![text("a \"quoted\", one\nand more"), number("12.500"), Cell::Yes(true)],
                vec![Cell::Null, number("9007199254740993"), number("NaN")],
                vec![text("7"), number("0"), Cell::List(vec![number("1"), text("x")])],
            ],
            is_cut: false,
        }
    }

    #[test]
    fn each_row_is_an_object_of_its_own_in_the_order_of_the_columns() {
        let lines = json_lines(&answer());
        let lines: Vec<&str> = lines.lines().collect();
        assert_eq!(
            lines,
            [
                r#"{"what":"a \"quoted\", one\nand more","n":12.5,"also":true}"#,
                r#"{"what":null,"n":9007199254740993,"also":"NaN"}"#,
                r#"{"what":"7","n":0,"also":[1,"x"]}"#,
            ]
        );
    }

    #[test]
    fn csv_quotes_what_would_break_a_line() {
        let expected = "what,n,also\n\"a \"\"quoted\"\", one\nand more\",12.500,true\n\
                        ,9007199254740993,NaN\n7,0,\"1, x\"\n";
        assert_eq!(csv(&answer()), expected);
    }
}
