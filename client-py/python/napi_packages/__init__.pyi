"""What `require` and `load_addon` return; `napi_python stubs` writes a package of this name."""

from napi_python._addon import load_addon as load_addon
from napi_python._modules import require as require
