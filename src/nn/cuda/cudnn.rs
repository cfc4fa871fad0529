//! cuDNN's three convolutions, with the algorithm chosen once for each pass, shape and dtype, and one workspace.
//!
//! Only algorithms that give the same bits every time are taken, and TF32 is not: `f32` stays `f32`. Where cuDNN knows no
//! such algorithm for a shape, the answer is `None`, and the shape goes through [`super::conv`]'s matrix products.

use std::any::TypeId;
use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use candle_core::cuda_backend::cudarc::cudnn::safe::{
    ConvBackwardData, ConvBackwardFilter, ConvForward, Cudnn, CudnnDataType,
};
use candle_core::cuda_backend::cudarc::cudnn::{CudnnError, sys};
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, DeviceRepr};
use candle_core::cuda_backend::{CudaDType, CudaDevice, DeviceId};
use candle_core::{CudaStorage, Error, Result, Storage, Tensor, WithDType, bail};

use super::device::int;
use super::{Pass, Shape};

use sys::cudnnConvolutionBwdDataAlgo_t as InputAlgorithm;
use sys::cudnnConvolutionBwdFilterAlgo_t as WeightAlgorithm;
use sys::cudnnConvolutionFwdAlgo_t as ForwardAlgorithm;

/// What was chosen, and the bytes that it works in.
#[derive(Clone, Copy)]
enum Plan {
    Forward(ForwardAlgorithm, usize),
    Input(InputAlgorithm, usize),
    Weight(WeightAlgorithm, usize),
    /// cuDNN has nothing that fits.
    None,
}

/// The handle of a device, what was chosen on it, and the workspace that all calls share: they run in order on one stream.
struct Library {
    handle: Arc<Cudnn>,
    plans: HashMap<(Pass, Shape, TypeId), Plan>,
    workspace: CudaSlice<u8>,
}

thread_local! {
    static LIBRARIES: RefCell<HashMap<DeviceId, Library>> = RefCell::default();
}

/// y, dx or dw (see [`super::Gpu::convolve`]) of contiguous tensors of T, and its shape.
pub fn convolve<T>(
    device: &CudaDevice,
    pass: Pass,
    shape: &Shape,
    first: &Tensor,
    second: &Tensor,
) -> Result<Option<(Storage, [usize; 4])>>
where
    T: CudnnDataType + CudaDType + DeviceRepr + WithDType,
{
    LIBRARIES.with_borrow_mut(|libraries| {
        let library = match libraries.entry(device.id()) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(place) => place.insert(Library {
                handle: Cudnn::new(device.cuda_stream()).map_err(Error::wrap)?,
                plans: HashMap::new(),
                workspace: device.alloc_zeros::<u8>(1)?,
            }),
        };
        library.convolve::<T>(device, pass, shape, first, second)
    })
}

impl Library {
    fn convolve<T>(
        &mut self,
        device: &CudaDevice,
        pass: Pass,
        s: &Shape,
        first: &Tensor,
        second: &Tensor,
    ) -> Result<Option<(Storage, [usize; 4])>>
    where
        T: CudnnDataType + CudaDType + DeviceRepr + WithDType,
    {
        let dims = |d: [usize; 4]| Ok::<_, Error>([int(d[0])?, int(d[1])?, int(d[2])?, int(d[3])?]);
        let nchw = sys::cudnnTensorFormat_t::CUDNN_TENSOR_NCHW;
        let [x_dims, w_dims] = [[s.batch, s.inputs, s.height, s.width], [s.outputs, s.inputs, s.kernel, s.kernel]];
        let handle = &self.handle;
        let x = handle.create_4d_tensor::<T>(nchw, dims(x_dims)?).map_err(Error::wrap)?;
        let y = handle.create_4d_tensor::<T>(nchw, dims(s.y())?).map_err(Error::wrap)?;
        let w = handle.create_4d_filter::<T>(nchw, dims(w_dims)?).map_err(Error::wrap)?;
        // Sums are f32 for both dtypes. FMA keeps TF32 away from f32; bf16 needs the tensor cores.
        let mut conv = handle
            .create_conv2d::<f32>(
                [int(s.padding)?; 2],
                [int(s.stride)?; 2],
                [1, 1],
                sys::cudnnConvolutionMode_t::CUDNN_CROSS_CORRELATION,
            )
            .map_err(Error::wrap)?;
        conv.set_math_type(if TypeId::of::<T>() == TypeId::of::<f32>() {
            sys::cudnnMathType_t::CUDNN_FMA_MATH
        } else {
            sys::cudnnMathType_t::CUDNN_TENSOR_OP_MATH
        })
        .map_err(Error::wrap)?;
        let forward = ConvForward { conv: &conv, x: &x, w: &w, y: &y };
        let input = ConvBackwardData { conv: &conv, dx: &x, w: &w, dy: &y };
        let weight = ConvBackwardFilter { conv: &conv, x: &x, dw: &w, dy: &y };

        let plan = *self.plans.entry((pass, *s, TypeId::of::<T>())).or_insert_with(|| {
            let plan = || -> std::result::Result<Plan, CudnnError> {
                Ok(match pass {
                    Pass::Forward => {
                        let algorithm = forward.pick_algorithm()?;
                        Plan::Forward(algorithm, forward.get_workspace_size(algorithm)?)
                    }
                    Pass::Input => {
                        let algorithm = repeatable_input(input.pick_algorithm()?);
                        Plan::Input(algorithm, input.get_workspace_size(algorithm)?)
                    }
                    Pass::Weight => {
                        let algorithm = repeatable_weight(weight.pick_algorithm()?);
                        Plan::Weight(algorithm, weight.get_workspace_size(algorithm)?)
                    }
                })
            };
            // An algorithm that is not there is an error of the library's, and no reason to stop.
            plan().unwrap_or(Plan::None)
        });
        let (bytes, out_dims) = match plan {
            Plan::Forward(_, bytes) => (bytes, s.y()),
            Plan::Input(_, bytes) => (bytes, x_dims),
            Plan::Weight(_, bytes) => (bytes, w_dims),
            Plan::None => return Ok(None),
        };
        // SAFETY: a workspace is written before it is read.
        if self.workspace.len() < bytes {
            self.workspace = unsafe { device.alloc::<u8>(bytes)? };
        }
        // SAFETY: the convolution overwrites its result whole (its factor for the old one is 0).
        let mut out = unsafe { device.alloc::<T>(out_dims.iter().product())? };
        let ((a, a_layout), (b, b_layout)) = (first.storage_and_layout(), second.storage_and_layout());
        let (Storage::Cuda(a), Storage::Cuda(b)) = (&*a, &*b) else { bail!("cuDNN was given tensors elsewhere") };
        let a = a.as_cuda_slice::<T>()?.slice(a_layout.start_offset()..);
        let b = b.as_cuda_slice::<T>()?.slice(b_layout.start_offset()..);
        let workspace = Some(&mut self.workspace);
        let factors = (T::from_f64(1.0), T::from_f64(0.0));
        // SAFETY: the descriptors are those of the tensors, whose shapes `Shape` was made from.
        unsafe {
            match plan {
                Plan::Forward(algorithm, _) => forward.launch(algorithm, workspace, factors, &a, &b, &mut out),
                Plan::Input(algorithm, _) => input.launch(algorithm, workspace, factors, &mut out, &b, &a),
                Plan::Weight(algorithm, _) => weight.launch(algorithm, workspace, factors, &a, &mut out, &b),
                Plan::None => Ok(()),
            }
        }
        .map_err(Error::wrap)?;
        Ok(Some((Storage::Cuda(CudaStorage::wrap_cuda_slice(out, device.clone())), out_dims)))
    }
}

/// Algorithm 0 adds atomically, in an order of its own every time; 1 does not.
fn repeatable_input(picked: InputAlgorithm) -> InputAlgorithm {
    match picked {
        InputAlgorithm::CUDNN_CONVOLUTION_BWD_DATA_ALGO_0 => InputAlgorithm::CUDNN_CONVOLUTION_BWD_DATA_ALGO_1,
        other => other,
    }
}

/// Algorithms 0 and 3 add atomically, in an order of their own every time; 1 does not.
fn repeatable_weight(picked: WeightAlgorithm) -> WeightAlgorithm {
    match picked {
        WeightAlgorithm::CUDNN_CONVOLUTION_BWD_FILTER_ALGO_0 | WeightAlgorithm::CUDNN_CONVOLUTION_BWD_FILTER_ALGO_3 => {
            WeightAlgorithm::CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1
        }
        other => other,
    }
}
