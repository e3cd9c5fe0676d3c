//! What the two logins that need a person have in common.

use super::authority::Authority;
use super::credentials::{Leeway, Scopes};
use super::token_cache::{CacheSettings, TokenCache};
use crate::error::Error;

#[derive(Clone)]
pub struct Person {
    pub authority: Authority,
    pub client_id: String,
    pub scopes: Scopes,
    pub leeway: Leeway,
    pub cache: CacheSettings,
    /// What a refresh token is asked to give.
    pub refresh_scope: String,
    /// Whose login it should be, if that was said.
    pub login_hint: Option<String>,
}

impl Person {
    pub fn new(authority: Authority, client_id: &str, scopes: Scopes, what: &str) -> Result<Self, Error> {
        if client_id.is_empty() {
            return Err(Error::config(format!("client_id of the {what} login is empty")));
        }
        if scopes.joined().is_none_or(|s| s.trim().is_empty()) {
            return Err(Error::config(format!("scopes of the {what} login are empty")));
        }
        Ok(Self {
            authority,
            client_id: client_id.to_owned(),
            scopes,
            leeway: Leeway::default(),
            cache: CacheSettings::default(),
            refresh_scope: String::new(),
            login_hint: None,
        })
    }

    /// Whether a login of `account` is the one that is wanted.
    pub fn accepts(&self, account: Option<&str>) -> bool {
        match (&self.login_hint, account) {
            (Some(hint), Some(account)) => hint.eq_ignore_ascii_case(account),
            _ => true,
        }
    }

    /// The provider's address, if it was given under this key.
    pub fn url_of(&self, setting: &str) -> Option<String> {
        (self.authority.setting() == setting).then(|| crate::redact::url(self.authority.url()))
    }

    pub fn cache(&self) -> Option<TokenCache> {
        let scopes = self.scopes.joined().unwrap_or_default();
        let hint = self.login_hint.as_deref().unwrap_or_default().to_lowercase();
        TokenCache::new(&self.cache, &[self.authority.url(), &self.client_id, &scopes, &hint])
    }
}
