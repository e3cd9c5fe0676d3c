//! The macros of a vector (`$seq`, `$concat`, `$fill`, `$float`) replaced by what they stand for.

use crate::json::Json;

pub fn expand(value: &Json) -> Result<Json, String> {
    match value {
        Json::List(l) => Ok(Json::List(l.iter().map(expand).collect::<Result<_, _>>()?)),
        Json::Map(m) => {
            if let [(key, arg)] = m.as_slice()
                && let Some(done) = expand_macro(key, arg)?
            {
                return Ok(done);
            }
            Ok(Json::Map(m.iter().map(|(k, v)| Ok((k.clone(), expand(v)?))).collect::<Result<_, String>>()?))
        }
        _ => Ok(value.clone()),
    }
}

fn expand_macro(key: &str, arg: &Json) -> Result<Option<Json>, String> {
    let wrong = || format!("wrong argument of {key}: {}", arg.write(true));
    Ok(Some(match key {
        "$seq" => {
            let n = arg.get("n").and_then(Json::as_i128).ok_or_else(wrong)?;
            let item = arg.get("item").ok_or_else(wrong)?;
            Json::List((0..n).map(|k| fill_template(item, k)).collect::<Result<_, _>>()?)
        }
        "$concat" => {
            let mut out = Vec::new();
            for part in arg.as_list().ok_or_else(wrong)? {
                match expand(part)? {
                    Json::List(l) => out.extend(l),
                    _ => return Err(wrong()),
                }
            }
            Json::List(out)
        }
        "$fill" => {
            let count = arg.get("count").and_then(Json::as_usize).ok_or_else(wrong)?;
            Json::Str(arg.text_of("text").ok_or_else(wrong)?.repeat(count))
        }
        "$float" => float(arg).ok_or_else(wrong)?,
        _ => return Ok(None),
    }))
}

fn float(arg: &Json) -> Option<Json> {
    arg.as_str().filter(|s| ["NaN", "Infinity", "-Infinity"].contains(s)).map(|s| Json::Num(s.to_string()))
}

fn fill_template(t: &Json, k: i128) -> Result<Json, String> {
    match t {
        Json::List(l) => Ok(Json::List(l.iter().map(|v| fill_template(v, k)).collect::<Result<_, _>>()?)),
        Json::Map(m) => {
            if let [(key, arg)] = m.as_slice() {
                let wrong = || format!("wrong argument of {key}: {}", arg.write(true));
                let at = |i: usize| arg.as_list().and_then(|l| l.get(i));
                let int = |i: usize| at(i).and_then(Json::as_i128).ok_or_else(wrong);
                let text = |i: usize| at(i).and_then(Json::as_str).ok_or_else(wrong);
                match key.as_str() {
                    "$int" => return Ok(Json::int(int(0)? + int(1)? * k)),
                    "$str" => return Ok(Json::Str(format!("{}{}{}", text(0)?, int(1)? + int(2)? * k, text(3)?))),
                    "$float" => return float(arg).ok_or_else(wrong),
                    _ => {}
                }
            }
            Ok(Json::Map(m.iter().map(|(n, v)| Ok((n.clone(), fill_template(v, k)?))).collect::<Result<_, String>>()?))
        }
        _ => Ok(t.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_macro() {
        let e = |t: &str| expand(&Json::parse(t).unwrap()).unwrap().write(true);
        assert_eq!(
            e(r#"{"$seq":{"n":2,"item":{"a":{"$int":[5,2]},"b":[{"$str":["x",1,1,"y"]}]}}}"#),
            r#"[{"a":5,"b":["x1y"]},{"a":7,"b":["x2y"]}]"#
        );
        assert_eq!(e(r#"{"$concat":[[1],{"$seq":{"n":2,"item":0}}]}"#), "[1,0,0]");
        assert_eq!(e(r#"{"q":{"$fill":{"text":"ab","count":2}}}"#), r#"{"q":"abab"}"#);
        assert_eq!(e(r#"[{"$float":"NaN"},{"$any":"string"}]"#), r#"[{"$float":"NaN"},{"$any":"string"}]"#);
    }
}
