//! The real device, through Candle's own cudarc: its memory, its stream, its cuBLAS.
//!
//! Everything runs in order on one stream, which belongs to the thread that opened the device: a device stays on its thread
//! (the engine's, or the command line's main one). That order is what makes plain addresses safe to pass on: a tensor that is
//! freed after a launch is freed, on the stream, behind it.
//!
//! cuBLAS multiplies `f32` in `f32`: TF32, which keeps ten bits, is not asked for.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{c_int, c_longlong, c_void};
use std::sync::OnceLock;

use candle_core::cuda_backend::cudarc::cublas::{result, sys};
use candle_core::cuda_backend::cudarc::driver::{CudaFunction, CudaSlice, DevicePtr, LaunchConfig, PushKernelArg};
use candle_core::cuda_backend::cudarc::nvrtc::{CompileOptions, compile_ptx_with_opts};
use candle_core::cuda_backend::{CudaDType, CudaDevice, CudaStorageSlice, DeviceId, WrapErr};
use candle_core::op::BackpropOp;
use candle_core::{CudaStorage, DType, Device, Error, Result, Storage, Tensor, bail};
use half::bf16;

use super::{Arg, COMMON, Gpu, KERNELS, Matrix, Product, slot, suffix};
#[cfg(feature = "cudnn")]
use super::{Pass, Shape};

/// A CUDA device.
pub struct Cuda {
    device: CudaDevice,
}

impl Cuda {
    /// The side of Rain on Candle's device.
    pub fn new(device: CudaDevice) -> Self {
        Self { device }
    }

    fn wrap<T: CudaDType>(&self, slice: CudaSlice<T>, shape: &[usize]) -> Tensor {
        let storage = CudaStorage::wrap_cuda_slice(slice, self.device.clone());
        Tensor::from_storage(Storage::Cuda(storage), shape, BackpropOp::none(), false)
    }

    /// Where the numbers of a contiguous tensor start.
    fn address(&self, tensor: &Tensor) -> Result<u64> {
        let (storage, layout) = tensor.storage_and_layout();
        let Storage::Cuda(storage) = &*storage else {
            bail!("a GPU kernel was given a tensor on {:?}", tensor.device())
        };
        let Some((start, _)) = layout.contiguous_offsets() else { bail!("a GPU kernel was given a view") };
        let stream = self.device.cuda_stream();
        let base = match &storage.slice {
            CudaStorageSlice::F32(data) => data.device_ptr(&stream).0,
            CudaStorageSlice::BF16(data) => data.device_ptr(&stream).0,
            CudaStorageSlice::U32(data) => data.device_ptr(&stream).0,
            CudaStorageSlice::I64(data) => data.device_ptr(&stream).0,
            _ => bail!("a GPU kernel was given {:?}", tensor.dtype()),
        };
        Ok(base + (start * tensor.dtype().size_in_bytes()) as u64)
    }

    /// The kernel by its whole name. Compiled once a process, loaded once a device.
    fn function(&self, name: &str, dtype: DType) -> Result<CudaFunction> {
        thread_local! {
            static LOADED: RefCell<HashMap<(DeviceId, String), CudaFunction>> = RefCell::default();
        }
        let key = (self.device.id(), name.to_owned());
        if let Some(function) = LOADED.with_borrow(|loaded| loaded.get(&key).cloned()) {
            return Ok(function);
        }
        let module = format!("rain_{}", suffix(dtype));
        let function = self.device.get_or_load_custom_func(name, &module, ptx(dtype)?)?.into_cuda_function();
        LOADED.with_borrow_mut(|loaded| loaded.insert(key, function.clone()));
        Ok(function)
    }
}

/// All kernels for maps of `dtype`, as PTX.
fn ptx(dtype: DType) -> Result<&'static str> {
    static COMPILED: [OnceLock<std::result::Result<String, String>>; 2] = [OnceLock::new(), OnceLock::new()];
    let bf16 = dtype == DType::BF16;
    let compiled = COMPILED[usize::from(bf16)].get_or_init(|| {
        let kernels: String = KERNELS.iter().map(|(_, text)| *text).collect();
        let storage = if bf16 { "bf16" } else { "float" };
        let options = vec![format!("-DMAP={storage}"), format!("-DSUFFIX={}", suffix(dtype))];
        compile_ptx_with_opts(format!("{COMMON}\n{kernels}"), CompileOptions { options, ..CompileOptions::default() })
            .map(|ptx| ptx.to_src())
            .map_err(|error| error.to_string())
    });
    compiled.as_deref().map_err(|error| Error::Msg(format!("the CUDA kernels did not compile: {error}")))
}

/// A size as the CUDA libraries take it.
pub(super) fn int(size: usize) -> Result<c_int> {
    c_int::try_from(size).map_err(|_| Error::Msg(format!("{size} is too large for the GPU's libraries")))
}

impl Gpu for Cuda {
    fn device(&self) -> Device {
        Device::Cuda(self.device.clone())
    }

    fn empty(&self, shape: &[usize], dtype: DType) -> Result<Tensor> {
        let n = shape.iter().product::<usize>().max(1);
        // SAFETY: by the promise of `empty`, every number is written before it is read.
        unsafe {
            Ok(match dtype {
                DType::F32 => self.wrap(self.device.alloc::<f32>(n)?, shape),
                DType::BF16 => self.wrap(self.device.alloc::<bf16>(n)?, shape),
                DType::U32 => self.wrap(self.device.alloc::<u32>(n)?, shape),
                other => bail!("no GPU kernel writes {other:?}"),
            })
        }
    }

    fn launch(&self, kernel: &str, dtype: DType, grid: [usize; 2], threads: usize, args: &[Arg]) -> Result<()> {
        let function = self.function(&format!("{kernel}_{}", suffix(dtype)), dtype)?;
        let slots = args.iter().map(|arg| match arg {
            Arg::In(tensor) | Arg::Out(tensor) => self.address(tensor),
            number => Ok(slot(number)),
        });
        let slots: Vec<u64> = slots.collect::<Result<_>>()?;
        let stream = self.device.cuda_stream();
        let mut builder = stream.launch_builder(&function);
        for slot in &slots {
            // The driver copies as many bytes as the kernel declares; a small number is in the first of them.
            builder.arg(slot);
        }
        let config = LaunchConfig {
            grid_dim: (int(grid[0])? as u32, int(grid[1])? as u32, 1),
            block_dim: (threads as u32, 1, 1),
            shared_mem_bytes: 0,
        };
        // SAFETY: the arguments are what the kernel declares (the emulated device runs every op of this crate with the same
        // arguments), and the addresses are of tensors that live on this device.
        unsafe { builder.launch(config) }.w()?;
        Ok(())
    }

    fn multiply(&self, a: Matrix, b: Matrix, c: Matrix, p: Product) -> Result<()> {
        let kind = |tensor: &Tensor| match tensor.dtype() {
            DType::F32 => Ok(sys::cudaDataType::CUDA_R_32F),
            DType::BF16 => Ok(sys::cudaDataType::CUDA_R_16BF),
            other => bail!("a product of {other:?}"),
        };
        let pointer = |m: &Matrix| -> Result<*mut c_void> {
            Ok((self.address(m.tensor)? + (m.start * m.tensor.dtype().size_in_bytes()) as u64) as *mut c_void)
        };
        let order = |m: &Matrix| match m.transposed {
            true => sys::cublasOperation_t::CUBLAS_OP_T,
            false => sys::cublasOperation_t::CUBLAS_OP_N,
        };
        let (one, kept) = (1f32, if p.accumulate { 1f32 } else { 0f32 });
        // cuBLAS counts by columns: to it our rows are columns, and C' = B' A'.
        // SAFETY: the matrices lie within live tensors of this device, as the emulated device asserts for the same calls.
        unsafe {
            result::gemm_strided_batched_ex(
                *self.device.cublas_handle().handle(),
                order(&b),
                order(&a),
                int(p.n)?,
                int(p.m)?,
                int(p.k)?,
                (&raw const one).cast(),
                pointer(&b)?,
                kind(b.tensor)?,
                int(b.row)?,
                b.next as c_longlong,
                pointer(&a)?,
                kind(a.tensor)?,
                int(a.row)?,
                a.next as c_longlong,
                (&raw const kept).cast(),
                pointer(&c)?,
                kind(c.tensor)?,
                int(c.row)?,
                c.next as c_longlong,
                int(p.batch)?,
                sys::cublasComputeType_t::CUBLAS_COMPUTE_32F,
                sys::cublasGemmAlgo_t::CUBLAS_GEMM_DEFAULT,
            )
        }
        .map_err(Error::wrap)
    }

    #[cfg(feature = "cudnn")]
    fn convolve(&self, pass: Pass, shape: &Shape, first: &Tensor, second: &Tensor) -> Result<Option<Tensor>> {
        match first.dtype() {
            DType::BF16 => super::cudnn::convolve::<bf16>(&self.device, pass, shape, first, second),
            _ => super::cudnn::convolve::<f32>(&self.device, pass, shape, first, second),
        }
        .map(|found| found.map(|storage| Tensor::from_storage(storage.0, &storage.1, BackpropOp::none(), false)))
    }
}

/// The device's name and memory: "NVIDIA H200, 139.8 GiB".
pub fn describe(device: &CudaDevice) -> String {
    let stream = device.cuda_stream();
    let context = stream.context();
    let name = context.name().unwrap_or_else(|_| "CUDA device".into());
    match context.total_mem() {
        Ok(bytes) => format!("{name}, {:.1} GiB", bytes as f64 / f64::from(1 << 30)),
        Err(_) => name,
    }
}
