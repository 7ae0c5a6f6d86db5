//! Starts what a test orders, as the owner of the home: see `glassdome_tests::type_orders`.

#![forbid(unsafe_code)]

fn main() -> std::io::Result<()> {
    glassdome_tests::type_orders()
}
