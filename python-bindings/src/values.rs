//! Values on their way between Python and wiped memory.

use glassdome_client::{Error, Value};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyMemoryView, PyString, PyType};
use zeroize::Zeroizing;

use crate::exceptions::{exception, usage};

/// The class `glassdome.Secret`.
static SECRET: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// A value as text. What Python makes of it is a copy that nobody can wipe.
///
/// # Errors
/// `UsageError` for a value that is not UTF-8.
pub(crate) fn text<'py>(py: Python<'py>, name: &str, value: &Value) -> PyResult<Bound<'py, PyString>> {
    match std::str::from_utf8(&value.bytes) {
        Ok(text) => Ok(PyString::new(py, text)),
        Err(_) => Err(usage(py, &format!("{name} is not UTF-8 text: ask for it with get_bytes"))),
    }
}

/// Values as text, by name.
///
/// # Errors
/// As [`text`]: then there is none of them.
pub(crate) fn texts<'py>(
    py: Python<'py>,
    names: &[String],
    values: &[Value],
) -> PyResult<Bound<'py, PyDict>> {
    let many = PyDict::new(py);
    for (name, value) in names.iter().zip(values) {
        many.set_item(name, text(py, name, value)?)?;
    }
    Ok(many)
}

/// A value as a `Secret`.
///
/// # Errors
/// Memory that cannot be had.
pub(crate) fn secret<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    let class = SECRET.get_or_try_init(py, || {
        Ok::<_, PyErr>(py.import("glassdome.secret")?.getattr("Secret")?.cast_into::<PyType>()?.unbind())
    })?;
    // A `bytearray` is all that can be filled from here, and what a `Secret` is filled from without a copy that
    // nobody wipes.
    let passing = PyByteArray::new_with(py, value.bytes.len(), |room| {
        room.copy_from_slice(&value.bytes);
        Ok(())
    })?;
    let secret = class.bind(py).call1((&passing,));
    wipe(&passing)?;
    secret
}

/// A value that Python hands over.
pub(crate) enum Handed<'py> {
    /// Text, as it lies there.
    Text(Bound<'py, PyString>),
    /// Bytes, as they lie there.
    Bytes(Bound<'py, PyBytes>),
    /// A copy of what could change meanwhile.
    Copied(Zeroizing<Vec<u8>>),
}

impl<'py> Handed<'py> {
    /// # Errors
    /// `TypeError` for what is neither text nor bytes, `UsageError` for a `Secret` that was wiped.
    pub(crate) fn take(value: &Bound<'py, PyAny>) -> PyResult<Self> {
        if let Ok(text) = value.cast::<PyString>() {
            return Ok(Self::Text(text.clone()));
        }
        if let Ok(bytes) = value.cast::<PyBytes>() {
            return Ok(Self::Bytes(bytes.clone()));
        }
        if let Ok(bytes) = value.cast::<PyByteArray>() {
            not_wiped(value)?;
            return Ok(Self::Copied(Zeroizing::new(bytes.to_vec())));
        }
        if value.is_instance_of::<PyMemoryView>() {
            // Of a secret that is wiped while it is looked at, zeros are left.
            not_wiped(&value.getattr("obj")?)?;
            let passing = PyByteArray::from(value)?;
            let copied = Zeroizing::new(passing.to_vec());
            wipe(&passing)?;
            return Ok(Self::Copied(copied));
        }
        Err(PyTypeError::new_err("a value is str, bytes, bytearray, memoryview or glassdome.Secret"))
    }

    /// Its bytes.
    ///
    /// # Errors
    /// `UsageError` for text that UTF-8 does not have (lone surrogates).
    pub(crate) fn bytes(&self, py: Python<'_>) -> PyResult<&[u8]> {
        match self {
            Self::Text(text) => {
                let no_text =
                    |_| exception(py, &Error::Usage("a value cannot hold lone surrogates".to_owned()));
                Ok(text.to_str().map_err(no_text)?.as_bytes())
            }
            Self::Bytes(bytes) => Ok(bytes.as_bytes()),
            Self::Copied(bytes) => Ok(bytes),
        }
    }
}

/// # Errors
/// `UsageError` for a `Secret` that was wiped.
fn not_wiped(value: &Bound<'_, PyAny>) -> PyResult<()> {
    let wiped =
        value.cast::<PyByteArray>().ok().map(|bytes| bytes.getattr_opt("wiped")).transpose()?.flatten();
    match wiped.is_some_and(|wiped| wiped.is_truthy().unwrap_or(true)) {
        true => Err(usage(value.py(), "this secret was wiped: there is nothing to store")),
        false => Ok(()),
    }
}

/// Overwrites it where it lies.
fn wipe(passing: &Bound<'_, PyByteArray>) -> PyResult<()> {
    let len = passing.len();
    let zeros = PyByteArray::new_with(passing.py(), len, |_| Ok(()))?;
    passing.as_any().cast::<pyo3::types::PySequence>()?.set_slice(0, len, &zeros)
}
