namespace Dma.UsbDevice;

/// <summary>The gates of the root ports of an xHCI controller, as the host drives them; see <see cref="XhciGateOffsets"/>.</summary>
/// <param name="engine">The controller.</param>
/// <param name="ports">Its root ports.</param>
internal sealed class XhciGates(XhciEngine engine, IReadOnlyList<RootPort> ports)
{
    /// <summary>A read of a register; doublewords alone, others read as zeros.</summary>
    public uint Read(ulong offset, int width) => width != sizeof(uint) ? 0 : offset switch
    {
        XhciGateOffsets.Id => XhciGateOffsets.IdValue,
        XhciGateOffsets.Count => (uint)ports.Count,
        XhciGateOffsets.Gate => Mask(static port => port.IsGated),
        XhciGateOffsets.Changed => Mask(static port => port is { IsGated: true, HasUntoldChange: true }),
        XhciGateOffsets.Ready => Mask(static port => port.IsGated && port.Ready.Count != 0),
        XhciGateOffsets.Busy => engine.IsBusy ? 1u : 0,
        XhciGateOffsets.Index => engine.Index,
        >= XhciGateOffsets.FirstPort when PortAt(offset, out int register) is { } port => port.Read(register),
        _ => 0,
    };

    /// <summary>A write of a register; doublewords alone.</summary>
    public void Write(ulong offset, int width, uint value)
    {
        if (width != sizeof(uint))
            return;
        switch (offset)
        {
            case XhciGateOffsets.Gate:
                for (int index = 0; index < ports.Count; index++)
                    ports[index].SetGate((value >> index & 1) != 0);
                break;
            case XhciGateOffsets.Changed:
                foreach (RootPort port in Named(value))
                    port.HasUntoldChange = false;
                break;
            case XhciGateOffsets.Reset:
                foreach (RootPort port in Named(value))
                    port.ResetAlone();
                break;
            case XhciGateOffsets.Report:
                foreach (RootPort port in Named(value))
                    port.HasUntoldChange = port.IsGated && port.HasChange;
                break;
            case XhciGateOffsets.Index:
                engine.SetIndex(value & ushort.MaxValue, (int)(value >> 16));
                break;
            case >= XhciGateOffsets.FirstPort when PortAt(offset, out int register) is { } port:
                port.Write(register, value);
                break;
            default:
                return;
        }

        engine.GatesChanged();
    }

    /// <summary>Opens them all, as a reset of the function does.</summary>
    public void Open() => Write(XhciGateOffsets.Gate, sizeof(uint), 0);

    private RootPort? PortAt(ulong offset, out int register)
    {
        ulong index = (offset - XhciGateOffsets.FirstPort) / XhciGateOffsets.PortStride;
        register = (int)((offset - XhciGateOffsets.FirstPort) % XhciGateOffsets.PortStride);
        return register % sizeof(uint) == 0 && index < (ulong)ports.Count ? ports[(int)index] : null;
    }

    private uint Mask(Func<RootPort, bool> condition)
    {
        uint mask = 0;
        for (int index = 0; index < ports.Count; index++)
            mask |= condition(ports[index]) ? 1u << index : 0;
        return mask;
    }

    private IEnumerable<RootPort> Named(uint mask) => ports.Where((_, index) => (mask >> index & 1) != 0);
}
