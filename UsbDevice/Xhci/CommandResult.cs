using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>How a command ended.</summary>
/// <param name="Code">The completion code; none while it is not over yet.</param>
/// <param name="Slot">The slot that its event names.</param>
internal readonly record struct CommandResult(CompletionCode Code, int Slot = 0);
