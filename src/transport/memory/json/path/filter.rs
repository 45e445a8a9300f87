//! Reads the filters of a path.

use super::expected::Part;
use super::parser::Parser;
use super::syntax::{Condition, Filter, Operator, Term};

/// The most filters and parentheses in each other.
const MAX_NESTED: usize = 8;

impl Parser<'_> {
    pub(super) fn filter(&mut self) -> Option<Filter> {
        self.nested += 1;
        if self.nested > MAX_NESTED {
            self.is_too_complex = true;
        }
        // After this, nothing more is read.
        let filter = (!self.is_too_complex).then(|| self.conditions()).flatten();
        self.nested -= 1;
        filter
    }

    fn conditions(&mut self) -> Option<Filter> {
        self.part(Part::Filter, |parser| {
            let mut any = vec![vec![parser.condition()?]];
            while let Some((is_or, condition)) = parser.then(|parser| {
                let is_or = match parser.token(Part::And, "&&") {
                    Some(()) => false,
                    None => {
                        parser.token(Part::Or, "||")?;
                        true
                    }
                };
                Some((is_or, parser.then(Self::condition)?))
            }) {
                match any.last_mut() {
                    Some(all) if !is_or => all.push(condition),
                    _ => any.push(vec![condition]),
                }
            }
            Some(Filter { any })
        })
    }

    fn condition(&mut self) -> Option<Condition> {
        self.comparison().or_else(|| {
            self.attempt(|parser| {
                parser.eat("(").then_some(())?;
                let filter = parser.then(Self::filter)?;
                parser.then(|parser| parser.eat(")").then_some(()))?;
                Some(Condition::Nested(filter))
            })
        })
    }

    fn comparison(&mut self) -> Option<Condition> {
        self.part(Part::Comparison, |parser| {
            let left = parser.term()?;
            let right = parser.attempt(|parser| {
                let operator = parser.then(Self::operator)?;
                Some((operator, parser.then(Self::term)?))
            });
            Some(match right {
                Some((operator, right)) => Condition::Compare(left, operator, right),
                None => Condition::Exists(left),
            })
        })
    }

    fn operator(&mut self) -> Option<Operator> {
        const ALL: [(Part, &str, Operator); 7] = [
            (Part::GreaterOrEqual, ">=", Operator::GreaterOrEqual),
            (Part::Greater, ">", Operator::Greater),
            (Part::LessOrEqual, "<=", Operator::LessOrEqual),
            (Part::Less, "<", Operator::Less),
            (Part::Equal, "==", Operator::Equal),
            (Part::NotEqual, "!=", Operator::NotEqual),
            (Part::Matches, "=~", Operator::Matches),
        ];
        ALL.into_iter().find_map(|(part, text, operator)| self.token(part, text).map(|()| operator))
    }

    fn term(&mut self) -> Option<Term> {
        self.steps_from(Part::FromCurrent, "@", Term::Current)
            .or_else(|| self.steps_from(Part::FromRoot, "$", Term::Root))
            .or_else(|| self.decimal())
            .or_else(|| self.string().map(Term::Text))
            .or_else(|| self.token(Part::True, "true").map(|()| Term::Bool(true)))
            .or_else(|| self.token(Part::False, "false").map(|()| Term::Bool(false)))
            .or_else(|| self.token(Part::Null, "null").map(|()| Term::Null))
    }

    fn steps_from(
        &mut self,
        part: Part,
        start: &str,
        term: impl FnOnce(Vec<super::syntax::Step>) -> Term,
    ) -> Option<Term> {
        self.part(part, |parser| {
            parser.eat(start).then_some(())?;
            Some(term(parser.then(Self::steps).unwrap_or_default()))
        })
    }

    fn decimal(&mut self) -> Option<Term> {
        self.part(Part::Decimal, |parser| {
            let whole = parser.digits()?;
            let fraction = parser.attempt(|parser| {
                parser.eat(".").then_some(())?;
                let digits = parser.eat_while(|letter| letter.is_ascii_digit());
                (!digits.is_empty()).then_some(digits)
            });
            Some(match (whole.parse(), fraction) {
                (Ok(whole), None) => Term::Integer(whole),
                _ => {
                    let text = format!("{whole}.{}", fraction.unwrap_or("0"));
                    Term::Float(text.parse().unwrap_or(f64::NAN))
                }
            })
        })
    }
}
