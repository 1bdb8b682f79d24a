using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>Slot and endpoint contexts in memory: those that software hands in, and those that the controller keeps for it (xHCI, device context).</summary>
internal sealed class DeviceContexts(XhciMemory memory, XhciRegisters registers, XhciOptions options)
{
    private readonly int _stride = options.Contexts64Byte ? 64 : 32;

    /// <summary>Reads the control context of an input context.</summary>
    public bool TryReadControl(ulong input, out InputControlContext control) => memory.TryRead(input, out control);

    /// <summary>Reads a context of an input context.</summary>
    /// <param name="input">Where the input context is.</param>
    /// <param name="index">0 for the slot, else an endpoint.</param>
    /// <param name="context">The context.</param>
    public bool TryReadInput<T>(ulong input, int index, out T context)
        where T : unmanaged => memory.TryRead(unchecked(input + (ulong)ContextIndex.InputOffset(index, _stride)), out context);

    /// <summary>Writes the context of a slot.</summary>
    public bool TryWrite(DeviceSlot slot) => TryWrite(slot.Id, ContextIndex.Slot, slot.Context);

    /// <summary>Writes the context of an endpoint.</summary>
    public bool TryWrite(XhciEndpoint endpoint) => TryWrite(endpoint.Slot.Id, endpoint.Index, endpoint.Snapshot());

    /// <summary>Writes that an endpoint is gone.</summary>
    public bool TryClear(DeviceSlot slot, int index) => TryWrite(slot.Id, index, default(EndpointContext));

    // An entry of zero is what software has for a slot that it gave no device context: there is nothing to write to.
    private bool TryWrite<T>(int slot, int index, in T context)
        where T : unmanaged =>
        memory.TryRead(unchecked(registers.ContextArrayAddress + ((ulong)slot * sizeof(ulong))), out ContextPointer device)
        && (device.Address == 0 || memory.TryWrite(unchecked(device.Address + (ulong)ContextIndex.Offset(index, _stride)), context));
}
