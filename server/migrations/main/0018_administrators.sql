-- Who administers the installation is asked whenever somebody could stop to; there are few of them among many people.

CREATE INDEX users_administrators ON users (id) WHERE status = 'active' AND roles LIKE '%admin%';
