//! Roles: named sets of scopes. Who has a role is written with the person; what it grants is written here.
//!
//! Three are built in and fixed ([`snapshot`]); the others are made and changed by whoever holds `roles:write` ([`change`]),
//! who can never put into a role what they do not hold themselves. All are in the memory of every instance, which follows a
//! change within a second ([`state`]), so a look-up costs no read and a scope that was taken away is refused at once.
//!
//! This slice is low: it does not know people, whose store it joins only to count who has a role.
//!
//! Owns the table `roles`. It holds no personal data.

mod change;
mod routes;
mod snapshot;
mod state;
mod store;
mod view;

pub use change::{Act, NAME_MAX, delete, put};
pub use routes::routes;
pub use snapshot::{ADMIN, BUILT_IN, Snapshot};
pub use state::{HELD_MAX, ROLES_CHANGED, Roles};
pub use store::{STATEMENTS, hold};
pub use view::{NewRole, RoleView, list};
