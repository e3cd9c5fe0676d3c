//! The expressions of synthetic time series: text to a tree, with the time series it names apart.

use serde_json::{Value, json};

use crate::error::{ApiError, Result};
use crate::resources::table::Object;

const MAX_DEPTH: usize = 50;

#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    Number(f64),
    /// Position among the time series.
    Series(usize),
    Call(Function, Vec<Node>),
    OnError(Box<Node>, Box<Node>),
    /// Expression, what its values are mapped from and to, and what all others become.
    Map(Box<Node>, Vec<String>, Vec<f64>, Box<Node>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    Add,
    Subtract,
    Multiply,
    Divide,
    Negate,
    Sin,
    Cos,
    Pi,
    Ln,
    Pow,
    Sqrt,
    Exp,
    Abs,
    Max,
    Min,
    Avg,
    Round,
}

/// Name, function, fewest and most arguments.
const FUNCTIONS: &[(&str, Function, usize, usize)] = &[
    ("sin", Function::Sin, 1, 1),
    ("cos", Function::Cos, 1, 1),
    ("pi", Function::Pi, 0, 0),
    ("ln", Function::Ln, 1, 1),
    ("pow", Function::Pow, 2, 2),
    ("sqrt", Function::Sqrt, 1, 1),
    ("exp", Function::Exp, 1, 1),
    ("abs", Function::Abs, 1, 1),
    ("max", Function::Max, 1, usize::MAX),
    ("min", Function::Min, 1, usize::MAX),
    ("avg", Function::Avg, 1, usize::MAX),
    ("round", Function::Round, 2, 2),
];

/// As it is written, and what a query calls it.
const FIELDS: &[(&str, &str)] = &[
    ("id", "id"),
    ("externalid", "externalId"),
    ("space", "space"),
    ("aggregate", "aggregate"),
    ("granularity", "granularity"),
    ("targetunit", "targetUnit"),
    ("targetunitsystem", "targetUnitSystem"),
];

pub struct Expression {
    pub tree: Node,
    pub series: Vec<Object>,
}

pub fn parse(text: &str) -> Result<Expression> {
    let mut parser = Parser { text, series: Vec::new() };
    let tree = parser.sum(0)?;
    parser.skip();
    if parser.text.is_empty() { Ok(Expression { tree, series: parser.series }) } else { Err(parser.wrong()) }
}

struct Parser<'a> {
    /// What is left.
    text: &'a str,
    series: Vec<Object>,
}

impl<'a> Parser<'a> {
    fn skip(&mut self) {
        self.text = self.text.trim_start();
    }

    fn eat(&mut self, sign: char) -> bool {
        self.skip();
        let rest = self.text.strip_prefix(sign);
        self.text = rest.unwrap_or(self.text);
        rest.is_some()
    }

    fn expect(&mut self, sign: char) -> Result<()> {
        if self.eat(sign) { Ok(()) } else { Err(self.wrong()) }
    }

    fn wrong(&self) -> ApiError {
        ApiError::bad(format!("Invalid expression at '{}'", self.text))
    }

    /// The longest beginning of these characters.
    fn word(&mut self, keep: fn(char) -> bool) -> &'a str {
        self.skip();
        let (word, rest) = self.text.split_at(self.text.find(|c| !keep(c)).unwrap_or(self.text.len()));
        self.text = rest;
        word
    }

    fn sum(&mut self, depth: usize) -> Result<Node> {
        if depth > MAX_DEPTH {
            return Err(ApiError::bad("The expression is nested too deeply"));
        }
        let mut left = self.product(depth)?;
        loop {
            let function = match (self.eat('+'), self.text.starts_with('-')) {
                (true, _) => Function::Add,
                (false, true) => Function::Subtract,
                (false, false) => return Ok(left),
            };
            if function == Function::Subtract {
                self.eat('-');
            }
            left = Node::Call(function, vec![left, self.product(depth)?]);
        }
    }

    fn product(&mut self, depth: usize) -> Result<Node> {
        let mut left = self.atom(depth)?;
        loop {
            let function = if self.eat('*') {
                Function::Multiply
            } else if self.eat('/') {
                Function::Divide
            } else {
                return Ok(left);
            };
            left = Node::Call(function, vec![left, self.atom(depth)?]);
        }
    }

    fn atom(&mut self, depth: usize) -> Result<Node> {
        if depth > MAX_DEPTH {
            return Err(ApiError::bad("The expression is nested too deeply"));
        }
        if self.eat('-') {
            return Ok(Node::Call(Function::Negate, vec![self.atom(depth + 1)?]));
        }
        if self.eat('(') {
            let inner = self.sum(depth + 1)?;
            return self.expect(')').map(|()| inner);
        }
        if self.text.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
            return self.number().map(Node::Number);
        }
        let before = self.text;
        let name = self.word(|c| c.is_ascii_alphanumeric() || c == '_').to_ascii_lowercase();
        match name.as_str() {
            "ts" => {
                let series = self.reference()?;
                self.series.push(series);
                Ok(Node::Series(self.series.len() - 1))
            }
            "on_error" => {
                self.expect('(')?;
                let tried = self.sum(depth + 1)?;
                self.expect(',')?;
                let default = self.sum(depth + 1)?;
                self.expect(')')?;
                Ok(Node::OnError(Box::new(tried), Box::new(default)))
            }
            "map" => self.map(depth),
            _ => {
                let Some((_, function, fewest, most)) = FUNCTIONS.iter().find(|f| f.0 == name) else {
                    self.text = before;
                    return Err(self.wrong());
                };
                self.expect('(')?;
                let mut arguments = Vec::new();
                while !self.eat(')') {
                    if !arguments.is_empty() {
                        self.expect(',')?;
                    }
                    arguments.push(self.sum(depth + 1)?);
                }
                if !(*fewest..=*most).contains(&arguments.len()) {
                    return Err(ApiError::bad(format!("Wrong number of arguments of {name}: {}", arguments.len())));
                }
                Ok(Node::Call(*function, arguments))
            }
        }
    }

    fn number(&mut self) -> Result<f64> {
        let negative = self.eat('-');
        let mut number = self.word(|c| c.is_ascii_digit() || c == '.').to_owned();
        if let Some(rest) = self.text.strip_prefix(['e', 'E']) {
            self.text = rest;
            number = format!("{number}e{}", self.word(|c| c.is_ascii_digit() || c == '-' || c == '+'));
        }
        let value: f64 = number.parse().map_err(|_| self.wrong())?;
        Ok(if negative { -value } else { value })
    }

    fn quoted(&mut self) -> Result<&'a str> {
        self.skip();
        let quote = self.text.chars().next().filter(|c| ['\'', '"'].contains(c)).ok_or_else(|| self.wrong())?;
        let (text, rest) = self.text.get(1..).unwrap_or("").split_once(quote).ok_or_else(|| self.wrong())?;
        self.text = rest;
        Ok(text)
    }

    fn list<T>(&mut self, one: fn(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        self.expect('[')?;
        let mut all = Vec::new();
        while !self.eat(']') {
            if !all.is_empty() {
                self.expect(',')?;
            }
            all.push(one(self)?);
        }
        Ok(all)
    }

    /// `map(expression, ['a', 'b'], [1, 2], default)`
    fn map(&mut self, depth: usize) -> Result<Node> {
        self.expect('(')?;
        let value = self.sum(depth + 1)?;
        self.expect(',')?;
        let from = self.list(|p| p.quoted().map(str::to_owned))?;
        self.expect(',')?;
        let to = self.list(Self::number)?;
        self.expect(',')?;
        let default = self.sum(depth + 1)?;
        self.expect(')')?;
        if from.len() != to.len() {
            return Err(ApiError::bad("map needs as many values to map to as to map from"));
        }
        Ok(Node::Map(Box::new(value), from, to, Box::new(default)))
    }

    /// `{externalId: 'a', aggregate = 'average', granularity: '1h'}`, as the fields of a query.
    fn reference(&mut self) -> Result<Object> {
        self.expect('{')?;
        let mut fields = Object::new();
        while !self.eat('}') {
            if !fields.is_empty() {
                self.expect(',')?;
            }
            let name = self.word(|c| c.is_ascii_alphanumeric() || c == '_').to_ascii_lowercase();
            let Some((_, name)) = FIELDS.iter().find(|(written, _)| *written == name) else {
                return Err(ApiError::bad(format!("Unknown parameter of a time series in the expression: {name}")));
            };
            if !self.eat(':') {
                self.expect('=')?;
            }
            let value = if *name == "id" {
                let digits = self.word(|c| c.is_ascii_digit());
                json!(digits.parse::<i64>().map_err(|_| self.wrong())?)
            } else {
                json!(self.quoted()?)
            };
            fields.insert((*name).into(), value);
        }
        if let Some(space) = fields.remove("space") {
            let name = fields.remove("externalId").unwrap_or(Value::Null);
            fields.insert("instanceId".into(), json!({"space": space, "externalId": name}));
        }
        if let Some(aggregate) = fields.remove("aggregate") {
            fields.insert("aggregates".into(), json!([aggregate]));
        }
        Ok(fields)
    }
}
