//! What the tokens of the gateway's clients are checked with. A secret is never printed.

use std::fmt;

use jsonwebtoken::{AlgorithmFamily, DecodingKey};

use super::{ConfigError, Vars};

const SECRET: &str = "ROWCAST_JWT_SECRET";
const PUBLIC_KEY: &str = "ROWCAST_JWT_PUBLIC_KEY";

/// The fewest bytes of a secret: as many as the hash has, as RFC 7518 asks for.
const SHORTEST: usize = 32;
/// What the key of 2048 bits has at least, in bytes.
const SMALLEST_RSA: usize = 256;
/// What a point of the curve P-256 has, in bytes.
const P256: usize = 65;

/// Which tokens are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenSettings {
    /// What their signatures are checked with.
    pub key: TokenKey,
    /// Their `aud` must hold this one.
    pub audience: Option<String>,
    /// Their `iss` must be this one.
    pub issuer: Option<String>,
}

/// What signatures are checked with. The kind of the key decides on the algorithm, never a token.
#[derive(Clone, PartialEq, Eq)]
pub enum TokenKey {
    /// For HS256.
    Secret(Vec<u8>),
    /// For RS256: the public key in DER, as PKCS #1 has it.
    Rsa(Vec<u8>),
    /// For ES256: the public key's point, uncompressed.
    P256(Vec<u8>),
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secret(_) => "a secret",
            Self::Rsa(_) => "an RSA key",
            Self::P256(_) => "a P-256 key",
        })
    }
}

impl TokenSettings {
    /// Reads the key, when there is one.
    ///
    /// # Errors
    /// The first variable that cannot be used. Also an audience or an issuer that nothing would be checked against.
    pub fn from_vars(vars: &dyn Vars) -> Result<Option<Self>, ConfigError> {
        let (audience, issuer) = (vars.get("ROWCAST_JWT_AUDIENCE"), vars.get("ROWCAST_JWT_ISSUER"));
        if let Some(key) = key(vars)? {
            return Ok(Some(Self { key, audience, issuer }));
        }
        let idle = [("ROWCAST_JWT_AUDIENCE", audience), ("ROWCAST_JWT_ISSUER", issuer)];
        match idle.into_iter().find_map(|(name, value)| Some((name, value?))) {
            None => Ok(None),
            Some((name, value)) => {
                let problem =
                    "no token is checked against it without ROWCAST_JWT_SECRET or ROWCAST_JWT_PUBLIC_KEY";
                Err(ConfigError::new(name, Some(&value), problem))
            }
        }
    }
}

fn key(vars: &dyn Vars) -> Result<Option<TokenKey>, ConfigError> {
    match (vars.get(SECRET), vars.get(PUBLIC_KEY)) {
        (None, None) => Ok(None),
        (Some(_), Some(file)) => {
            let problem = "ROWCAST_JWT_SECRET is set as well; tokens are signed with one of the two, so unset the other";
            Err(ConfigError::new(PUBLIC_KEY, Some(&file), problem))
        }
        (Some(secret), None) if secret.len() < SHORTEST => {
            let problem = format!(
                "has {} bytes, which can be guessed from any one token; expected at least {SHORTEST} random ones, as \
                 `openssl rand -base64 32` makes them",
                secret.len()
            );
            Err(ConfigError::new(SECRET, None, problem))
        }
        (Some(secret), None) => Ok(Some(TokenKey::Secret(secret.into_bytes()))),
        (None, Some(file)) => match std::fs::read(&file) {
            Ok(pem) => public_key(&pem).map(Some),
            Err(error) => Err(format!("cannot be read: {error}")),
        }
        .map_err(|problem| ConfigError::new(PUBLIC_KEY, Some(&file), problem)),
    }
}

/// The key in a PEM file.
fn public_key(pem: &[u8]) -> Result<TokenKey, String> {
    let text = String::from_utf8_lossy(pem);
    if text.contains("PRIVATE KEY-----") {
        return Err(
            "this is a private key, which belongs to whoever signs and to nobody else; expected the public \
                    one: openssl pkey -in private.pem -pubout"
                .into(),
        );
    }
    let expected = || {
        "expected a file with a public key in PEM: RSA of at least 2048 bits for RS256, or EC on the curve P-256 for \
         ES256"
            .to_owned()
    };
    if !text.contains("-----BEGIN PUBLIC KEY-----") && !text.contains("-----BEGIN RSA PUBLIC KEY-----") {
        return Err(expected());
    }
    let keys = [DecodingKey::from_ec_pem(pem), DecodingKey::from_rsa_pem(pem)];
    let Some(key) = keys.into_iter().find_map(Result::ok) else { return Err(expected()) };
    let bytes = key.try_get_as_bytes().map_err(|_| expected())?.to_vec();
    match key.family() {
        AlgorithmFamily::Rsa if bytes.len() > SMALLEST_RSA => Ok(TokenKey::Rsa(bytes)),
        AlgorithmFamily::Ec if bytes.len() == P256 => Ok(TokenKey::P256(bytes)),
        _ => Err(expected()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const GOOD: &str = "0123456789abcdef0123456789abcdef";

    fn settings(pairs: &[(&str, &str)]) -> Result<Option<TokenSettings>, ConfigError> {
        let vars: BTreeMap<String, String> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        TokenSettings::from_vars(&vars)
    }

    #[test]
    fn a_secret_that_is_too_short_is_refused_without_being_shown() {
        let error = settings(&[(SECRET, &GOOD[1..])]).unwrap_err().to_string();
        assert!(error.contains("has 31 bytes") && !error.contains(&GOOD[1..]), "{error}");
        let settings = settings(&[(SECRET, GOOD)]).unwrap().unwrap();
        assert_eq!(settings.key, TokenKey::Secret(GOOD.into()));
        assert!(!format!("{settings:?}").contains("012"), "{settings:?}");
    }

    #[test]
    fn what_would_check_nothing_or_twice_is_refused() {
        for name in ["ROWCAST_JWT_AUDIENCE", "ROWCAST_JWT_ISSUER"] {
            assert_eq!(settings(&[(name, "x")]).unwrap_err().variable, name);
            assert!(settings(&[(name, "x"), (SECRET, GOOD)]).unwrap().is_some());
        }
        let both = settings(&[(SECRET, GOOD), (PUBLIC_KEY, "/dev/null")]).unwrap_err();
        assert_eq!((both.variable, both.value.as_deref()), (PUBLIC_KEY, Some("/dev/null")));
        assert_eq!(settings(&[]).unwrap(), None);
    }

    #[test]
    fn only_a_public_key_in_pem_is_a_public_key() {
        for file in ["/does/not/exist", "/dev/null", "Cargo.toml"] {
            assert_eq!(settings(&[(PUBLIC_KEY, file)]).unwrap_err().variable, PUBLIC_KEY, "{file}");
        }
        let private = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert!(public_key(private.as_bytes()).unwrap_err().contains("private key"));
        for broken in ["AAAA", "MAA=", "!"] {
            let pem = format!("-----BEGIN PUBLIC KEY-----\n{broken}\n-----END PUBLIC KEY-----\n");
            assert!(public_key(pem.as_bytes()).unwrap_err().contains("expected a file"), "{broken}");
        }
    }
}
