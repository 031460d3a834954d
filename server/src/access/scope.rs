//! Every scope that guards a route, as a type and as a name.

use crate::http::guard::Scope;

macro_rules! scopes {
    ($($(#[$doc:meta])* $name:ident = $scope:literal;)+) => {
        $($(#[$doc])* #[derive(Clone, Copy, Debug)] pub struct $name;
        impl Scope for $name { const NAME: &'static str = $scope; })+
    };
}

macro_rules! listed {
    ($($(#[$doc:meta])* $list:ident: { $($(#[$each:meta])* $name:ident = $scope:literal;)+ })+) => {
        $(scopes! { $($(#[$each])* $name = $scope;)+ }
        $(#[$doc])* pub const $list: &[&str] = &[$($scope),+];)+
    };
}

listed! {
/// Everything of Keystead's that a role can grant; `admin` has all of it, `auditor` what only reads.
SCOPES: {
    /// Search, verify and export the audit trail.
    AuditRead = "audit:read";
    /// Register and change OAuth clients.
    ClientsWrite = "clients:write";
    /// See feature flags as they are configured.
    FlagsRead = "flags:read";
    /// Change feature flags.
    FlagsWrite = "flags:write";
    /// See the queue.
    JobsRead = "jobs:read";
    /// Try dead letters again.
    JobsWrite = "jobs:write";
    /// See and rotate signing keys.
    KeysWrite = "keys:write";
    /// Health in detail, figures, the doctor.
    OpsRead = "ops:read";
    /// See what others have used of their quotas.
    QuotasRead = "quotas:read";
    /// Consume other people's quotas, and give somebody a limit of their own.
    QuotasWrite = "quotas:write";
    /// See roles and what they grant.
    RolesRead = "roles:read";
    /// Make, change and delete roles.
    RolesWrite = "roles:write";
    /// Ask about access tokens that were issued to other clients.
    TokensIntrospect = "tokens:introspect";
    /// See other people's transactions, on record.
    TransactionsRead = "transactions:read";
    /// Export every account, with the password hashes.
    UsersExport = "users:export";
    /// Act as another person for a while, on record.
    UsersImpersonate = "users:impersonate";
    /// Post what is said in voice sessions that a service was let into.
    TranscriptsRelay = "transcripts:relay";
    /// Search and see accounts.
    UsersRead = "users:read";
    /// Change accounts.
    UsersWrite = "users:write";
    /// Redeem the tokens by which people join voice rooms.
    VoiceRedeem = "voice:redeem";
}
/// What every person may do for themselves. No role grants these; a token that does not stand for its person in full carries those
/// that it was made for.
PERSONAL: {
    /// Read the transcripts of one's own voice sessions.
    TranscriptsRead = "transcripts:read";
    /// Add to the transcripts of one's own voice sessions.
    TranscriptsWrite = "transcripts:write";
    /// See one's own account.
    AccountRead = "account:read";
    /// Order, see and fetch exports of one's own data.
    ExportsWrite = "exports:write";
    /// Evaluate feature flags for oneself.
    FlagsEvaluate = "flags:evaluate";
    /// See one's own quotas, and consume them.
    QuotasUse = "quotas:use";
    /// See one's own voice sessions.
    VoiceRead = "voice:read";
    /// Open and end voice sessions of one's own, and join their rooms.
    VoiceWrite = "voice:write";
    /// See one's own transactions and what they sum up to.
    OwnTransactionsRead = "transactions:own:read";
    /// Make, change and delete one's own transactions.
    OwnTransactionsWrite = "transactions:own:write";
}
}

/// What of it somebody has who acts as a person for a while: not their money. Other people's transactions are seen with
/// [`TransactionsRead`], and each look is on record.
pub const LENT: &[&str] = &["account:read", "flags:evaluate"];
