//! Pages of lists: their order and their first rows.

use super::{Column, List, Parameter, Source, parameter};
use crate::domain::moment::Moment;
use crate::domain::query::{Order, Position, Query, Value};

/// The statements that read a page.
pub(in crate::store) struct PageStatements {
    /// Counts all matches, if the query asks for it.
    pub(in crate::store) count: Option<String>,
    /// Reads the page, and one more row.
    pub(in crate::store) page: String,
    /// The values for both. The count has only the first of them.
    pub(in crate::store) parameters: Vec<Parameter>,
    /// The number of parameters of the count.
    counted: usize,
}

impl PageStatements {
    /// Returns the parameters of the count.
    pub(in crate::store) fn count_parameters(&self) -> &[Parameter] {
        &self.parameters[..self.counted]
    }
}

impl List {
    /// Reads the page that the query asks for, with statuses as of `now`.
    pub(in crate::store) fn page_statements<F: Column>(
        mut self,
        query: &Query<F>,
        now: Moment,
    ) -> PageStatements {
        for comparison in &query.filter {
            self.and(comparison, now);
        }
        let (name, columns) = (self.source(), self.table.columns);
        let count = query
            .count
            .then(|| format!("SELECT count(*) FROM {name} WHERE {}", self.condition));
        let counted = self.parameters.len();
        if let Some(after) = &query.after {
            self.and_after(after, &query.order, now);
        }
        // One more row than requested shows whether there is a next page.
        let limit = self.parameter(Parameter::Integer(i64::from(query.limit) + 1));
        let offset = self.parameter(Parameter::Integer(query.offset.cast_signed()));
        let keys = self.keys(&query.order, now);
        let page = format!(
            "SELECT {columns} FROM {name} WHERE {} ORDER BY {keys} LIMIT {limit} OFFSET {offset}",
            self.condition,
        );
        PageStatements {
            count,
            page,
            parameters: self.parameters,
            counted,
        }
    }

    /// Limits the page to the rows after `position` in the order of `keys`.
    ///
    /// With the keys a and b and the last keys c and d, that is `a > … OR a = … AND (b > … OR b = … AND (c, d) > …)`.
    /// The last keys are compared as one row value, which an index serves when a query has no keys.
    fn and_after<F: Column>(&mut self, position: &Position, keys: &[Order<F>], now: Moment) {
        let columns = F::LAST_KEYS.map(|field| self.expression(field, now));
        let bounds = position.last_keys().iter().filter_map(parameter);
        let bounds: Vec<String> = bounds.map(|bound| self.parameter(bound)).collect();
        let mut after = format!("({}) > ({})", columns.join(", "), bounds.join(", "));
        for (key, value) in keys.iter().zip(position.keys()).rev() {
            let [beyond, equal] = self.beyond_and_equal(*key, value, now);
            after = format!("({beyond} OR {equal} AND {after})");
        }
        self.condition += &format!(" AND {after}");
    }

    /// Returns the conditions that a row comes after `value` in one key, and that it is equal to it. Null is less than
    /// every value.
    fn beyond_and_equal<F: Column>(
        &mut self,
        key: Order<F>,
        value: &Value,
        now: Moment,
    ) -> [String; 2] {
        let column = self.expression(key.field, now);
        let is_null = format!("{column} IS NULL");
        let Some(value) = parameter(value) else {
            let beyond = if key.descending {
                "FALSE".to_owned()
            } else {
                format!("{column} IS NOT NULL")
            };
            return [beyond, is_null];
        };
        let value = self.parameter(value);
        let equal = format!("{column} = {value}");
        if !key.descending {
            return [format!("{column} > {value}"), equal];
        }
        let beyond = format!("{column} < {value}");
        if key.field.is_nullable() {
            [format!("({beyond} OR {is_null})"), equal]
        } else {
            [beyond, equal]
        }
    }

    /// Returns the keys of an order. Null is less than every value, which has to be written out for both backends.
    fn keys<F: Column>(&mut self, keys: &[Order<F>], now: Moment) -> String {
        let mut sql = String::new();
        for key in keys {
            sql += &self.expression(key.field, now);
            sql += if key.descending {
                " DESC NULLS LAST, "
            } else {
                " NULLS FIRST, "
            };
        }
        sql + &F::LAST_KEYS
            .map(|field| self.expression(field, now))
            .join(", ")
    }

    /// Returns the expression that a list is ordered by for `field`.
    fn expression<F: Column>(&mut self, field: F, now: Moment) -> String {
        match field.source() {
            Source::Column(column) => column.to_owned(),
            Source::RequesterUser => self.dialect.requester_user.to_owned(),
            Source::Status => self.status(now),
        }
    }
}
