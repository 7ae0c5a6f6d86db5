//! `glassdome_start`: see [`glassdome_client::glassdome_start`].
#![no_main]
#![deny(unsafe_code)]

glassdome_sys::program!(glassdome_client::glassdome_start);
