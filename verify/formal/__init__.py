"""The theorems of theorems/formal: compiled and audited by Rocq, recorded, and weighed as evidence on claims."""
