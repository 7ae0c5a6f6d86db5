//! `ctl`: see [`glassdome_client::ctl`].
#![no_main]
#![deny(unsafe_code)]

glassdome_sys::program!(glassdome_client::ctl);
