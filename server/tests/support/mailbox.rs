//! Mail as its receiver sees it, read from the development mailbox.

use serde_json::Value;

use super::server::Instance;

/// One mail.
#[derive(Clone, Debug)]
pub struct Mail {
    /// The receiver.
    pub to: String,
    /// The subject.
    pub subject: String,
    /// The plain text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
}

impl Instance {
    /// Waits for a mail to `address` that the test has not read yet and returns the newest one.
    pub async fn mail_to(&self, address: &str) -> Mail {
        let read = self.read.lock().unwrap().get(address).copied().unwrap_or(0);
        let mails = super::eventually(&format!("mail to {address}"), async || {
            let mails = self.mails_to(address).await;
            (mails.len() > read).then_some(mails)
        })
        .await;
        self.read.lock().unwrap().insert(address.to_owned(), mails.len());
        mails.last().cloned().expect("more than none")
    }

    /// All mails to `address` so far, oldest first.
    pub async fn mails_to(&self, address: &str) -> Vec<Mail> {
        let mailbox = self.get("/dev/mailbox.json").await.expect(200);
        let mut items: Vec<&Value> = mailbox.body["items"].as_array().into_iter().flatten().filter(|item| item["to"] == address).collect();
        items.sort_by_key(|item| item["at"].as_str());
        items.into_iter().map(Mail::from_json).collect()
    }
}

impl Mail {
    fn from_json(item: &Value) -> Self {
        let text = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
        Self { to: text("to"), subject: text("subject"), text: text("text"), html: text("html") }
    }

    /// The six-digit code that the mail tells.
    #[track_caller]
    pub fn code(&self) -> String {
        let words = self.text.split(|c: char| !c.is_ascii_alphanumeric());
        let code = words.into_iter().find(|word| word.len() == 6 && word.bytes().all(|b| b.is_ascii_digit()));
        code.unwrap_or_else(|| panic!("no six-digit code in {self:#?}")).to_owned()
    }

    /// The first link in the mail.
    #[track_caller]
    pub fn link(&self) -> String {
        let start = self.text.find("http").unwrap_or_else(|| panic!("no link in {self:#?}"));
        self.text[start..].split_whitespace().next().unwrap_or_default().trim_end_matches(['.', ')', '>']).to_owned()
    }

    /// The token that the mail's link carries, in its query (`?token=…`) or its fragment (`#token=…`).
    #[track_caller]
    pub fn token(&self) -> String {
        let link = url::Url::parse(&self.link()).unwrap_or_else(|error| panic!("{error} in {self:#?}"));
        let pairs = [link.query(), link.fragment()].into_iter().flatten().map(|part| url::form_urlencoded::parse(part.as_bytes()));
        let token = pairs.flatten().find(|(name, _)| name == "token");
        token.unwrap_or_else(|| panic!("no token in {link}")).1.into_owned()
    }
}
