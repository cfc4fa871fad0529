//! A GPU that is not there: the kernels compiled by `g++` and run on the processor, memory that is the processor's.
//!
//! Within [`with`], every op takes its CUDA path on this thread. Outputs start as NaN, so that an element that a kernel
//! forgets shows. Blocks run one after the other; a block has as many real threads as asked for (one is quick, several
//! prove the sums within a block).

use std::cell::RefCell;
use std::ffi::{CString, c_void};
use std::process::Command;
use std::rc::Rc;
use std::sync::{Mutex, OnceLock, PoisonError};

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, DType, Device, InplaceOp1, Layout, Result, Storage, Tensor, bail};
use half::bf16;
use libloading::Library;

use super::{Arg, COMMON, Gpu, KERNELS, Matrix, Product, slot, suffix};

thread_local! {
    static CURRENT: RefCell<Option<Rc<Emulated>>> = const { RefCell::new(None) };
}

/// The emulated device, if this thread is within [`with`].
pub fn current() -> Option<Rc<dyn Gpu>> {
    CURRENT.with_borrow(|current| current.clone().map(|gpu| gpu as Rc<dyn Gpu>))
}

/// Runs `f` with every op on the emulated device, blocks of at most `threads`.
pub fn with<R>(threads: usize, f: impl FnOnce() -> R) -> R {
    struct Back(Option<Rc<Emulated>>);
    impl Drop for Back {
        fn drop(&mut self) {
            CURRENT.with_borrow_mut(|current| *current = self.0.take());
        }
    }
    let _back = Back(CURRENT.with_borrow_mut(|current| current.replace(Rc::new(Emulated { threads }))));
    f()
}

struct Emulated {
    threads: usize,
}

impl Gpu for Emulated {
    fn device(&self) -> Device {
        Device::Cpu
    }

    fn empty(&self, shape: &[usize], dtype: DType) -> Result<Tensor> {
        match dtype {
            DType::U32 => Tensor::full(u32::MAX - 1, shape, &Device::Cpu),
            _ => Tensor::full(f32::NAN, shape, &Device::Cpu)?.to_dtype(dtype),
        }
    }

    fn launch(&self, kernel: &str, dtype: DType, grid: [usize; 2], threads: usize, args: &[Arg]) -> Result<()> {
        type Door = unsafe extern "C" fn(u32, u32, u32, *mut *mut c_void);
        let name = CString::new(format!("{kernel}_{}", suffix(dtype))).map_err(candle_core::Error::wrap)?;
        // SAFETY: every kernel is behind such a door, see emulated.h.
        let door = match unsafe { library(dtype).get::<Door>(name.as_bytes_with_nul()) } {
            Ok(door) => door,
            Err(error) => bail!("no kernel {name:?}: {error}"),
        };
        let threads = threads.min(self.threads) as u32;
        with_slots(args, &mut Vec::new(), &mut |slots| {
            // The kernels' shared memory is static: one launch at a time in the whole process.
            static ONE: Mutex<()> = Mutex::new(());
            let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
            let mut pointers: Vec<*mut c_void> = slots.iter_mut().map(|slot| std::ptr::from_mut(slot).cast()).collect();
            // SAFETY: the slots hold what the kernel declares; that the two agree is what the tests are for.
            unsafe { door(grid[0] as u32, grid[1] as u32, threads, pointers.as_mut_ptr()) };
        })
    }

    fn multiply(&self, a: Matrix, b: Matrix, c: Matrix, p: Product) -> Result<()> {
        let floats = |m: &Matrix| m.tensor.flatten_all()?.to_dtype(DType::F32)?.to_vec1::<f32>();
        let (x, y, mut z) = (floats(&a)?, floats(&b)?, floats(&c)?);
        let steps = |m: &Matrix| if m.transposed { (1, m.row) } else { (m.row, 1) };
        let ((ar, ac), (br, bc)) = (steps(&a), steps(&b));
        assert!(a.tensor.dtype() == b.tensor.dtype() && !c.transposed);
        for i in 0..p.batch {
            let (x, y, z) = (&x[a.start + i * a.next..], &y[b.start + i * b.next..], &mut z[c.start + i * c.next..]);
            assert!((p.m - 1) * ar + (p.k - 1) * ac < x.len() && (p.k - 1) * br + (p.n - 1) * bc < y.len());
            assert!((p.m - 1) * c.row + p.n <= z.len());
            // SAFETY: the asserts above keep the matrices within their tensors.
            unsafe {
                gemm::gemm(
                    p.m,
                    p.n,
                    p.k,
                    z.as_mut_ptr(),
                    1,
                    c.row as isize,
                    p.accumulate,
                    x.as_ptr(),
                    ac as isize,
                    ar as isize,
                    y.as_ptr(),
                    bc as isize,
                    br as isize,
                    1.0,
                    1.0,
                    false,
                    false,
                    false,
                    gemm::Parallelism::None,
                );
            }
        }
        c.tensor.inplace_op1(&Write(|storage: &mut CpuStorage, start: usize| match storage {
            CpuStorage::F32(data) => data[start..][..z.len()].copy_from_slice(&z),
            CpuStorage::BF16(data) => {
                data[start..].iter_mut().zip(&z).for_each(|(to, from)| *to = bf16::from_f32(*from));
            }
            other => panic!("a product in {:?}", other.dtype()),
        }))
    }
}

/// The kernels for maps of `dtype`, compiled at the first call.
fn library(dtype: DType) -> &'static Library {
    static LIBRARIES: [OnceLock<Library>; 2] = [OnceLock::new(), OnceLock::new()];
    let bf16 = dtype == DType::BF16;
    LIBRARIES[usize::from(bf16)].get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let (source, out) = (folder.path().join("kernels.cpp"), folder.path().join("kernels.so"));
        let kernels: String = KERNELS.iter().map(|(_, text)| *text).collect();
        std::fs::write(&source, format!("{}\n{COMMON}\n{kernels}", include_str!("emulated.h"))).unwrap();
        let compiler = std::env::var("CXX").unwrap_or_else(|_| "g++".into());
        let compiled = Command::new(&compiler)
            .args(["-std=c++20", "-O2", "-fPIC", "-shared", "-pthread", "-ffp-contract=off"])
            .args([format!("-DMAP={}", if bf16 { "bf16" } else { "float" }), format!("-DSUFFIX={}", suffix(dtype))])
            .arg(&source)
            .arg("-o")
            .arg(&out)
            .output()
            .unwrap_or_else(|e| panic!("{compiler} is needed to test the CUDA kernels: {e}"));
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        // SAFETY: the library has no initialisers of its own.
        unsafe { Library::new(&out) }.unwrap()
    })
}

/// Writes to the memory of a tensor; given its storage and where the tensor starts in it.
struct Write<F>(F);

impl<F: Fn(&mut CpuStorage, usize)> InplaceOp1 for Write<F> {
    fn name(&self) -> &'static str {
        "emulated"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        match layout.contiguous_offsets() {
            Some((start, _)) => (self.0)(storage, start),
            None => bail!("a kernel was given a tensor that is not contiguous to write to"),
        }
        Ok(())
    }
}

/// Calls `f` with each argument as eight bytes: an address, or a number in the first four. Every tensor is locked meanwhile.
fn with_slots(args: &[Arg], slots: &mut Vec<u64>, f: &mut dyn FnMut(&mut [u64])) -> Result<()> {
    let Some((first, rest)) = args.split_first() else {
        f(slots);
        return Ok(());
    };
    match first {
        Arg::In(tensor) => {
            let (storage, layout) = tensor.storage_and_layout();
            let Storage::Cpu(storage) = &*storage else { bail!("the emulated device has the processor's memory") };
            let Some((start, _)) = layout.contiguous_offsets() else { bail!("not contiguous") };
            slots.push(match storage {
                CpuStorage::F32(data) => data[start..].as_ptr() as u64,
                CpuStorage::BF16(data) => data[start..].as_ptr() as u64,
                CpuStorage::U32(data) => data[start..].as_ptr() as u64,
                CpuStorage::I64(data) => data[start..].as_ptr() as u64,
                other => bail!("a kernel was given {:?}", other.dtype()),
            });
            with_slots(rest, slots, f)
        }
        Arg::Out(tensor) => {
            // The op is called through a shared reference, once.
            let inner = RefCell::new((slots, f, Ok(())));
            tensor.inplace_op1(&Write(|storage: &mut CpuStorage, start: usize| {
                let (slots, f, result) = &mut *inner.borrow_mut();
                slots.push(match storage {
                    CpuStorage::F32(data) => data[start..].as_mut_ptr() as u64,
                    CpuStorage::BF16(data) => data[start..].as_mut_ptr() as u64,
                    CpuStorage::U32(data) => data[start..].as_mut_ptr() as u64,
                    other => panic!("a kernel writes {:?}", other.dtype()),
                });
                *result = with_slots(rest, slots, *f);
            }))?;
            inner.into_inner().2
        }
        number => {
            slots.push(slot(number));
            with_slots(rest, slots, f)
        }
    }
}
