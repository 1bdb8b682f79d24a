using Dma.Machine;

namespace Dma.UsbDevice;

/// <summary>The gates of the root ports, as the host drives them; see <see cref="PortGateOffsets"/>.</summary>
/// <param name="set">The registers whose ports they are before.</param>
/// <param name="loop">The time it lives in.</param>
internal sealed class PortGates(EhciRegisterSet set, EventLoop loop)
{
    private IReadOnlyList<EhciRootPort> Ports => set.Ports;

    /// <summary>A read of a register; doublewords alone, others read as zeros.</summary>
    public uint Read(ulong offset, int width) => width != sizeof(uint) ? 0 : offset switch
    {
        PortGateOffsets.Id => PortGateOffsets.IdValue,
        PortGateOffsets.Count => (uint)Ports.Count,
        PortGateOffsets.Gate => Mask(static port => port.IsGated),
        PortGateOffsets.Changed => Mask(static port => port.HasChangeBehindGate),
        >= PortGateOffsets.FirstPort when PortAt(offset) is { } port => port.Status.Raw.Value,
        _ => 0,
    };

    /// <summary>A write of a register; doublewords alone.</summary>
    public void Write(ulong offset, int width, uint value)
    {
        if (width != sizeof(uint))
            return;
        bool isChange = false;
        switch (offset)
        {
            case PortGateOffsets.Gate:
                for (int index = 0; index < Ports.Count; index++)
                    isChange |= Ports[index].SetGate((value >> index & 1) != 0, set.IsConfigured);
                break;
            case PortGateOffsets.Changed:
                foreach (EhciRootPort port in Named(value))
                    port.HasChangeBehindGate = false;
                break;
            case PortGateOffsets.Reset:
                foreach (EhciRootPort port in Named(value))
                    port.ResetAlone();
                break;
            case >= PortGateOffsets.FirstPort when PortAt(offset) is { } port:
                isChange = port.Write(value, loop.NowNs, set.IsConfigured);
                break;
            default:
                return;
        }

        set.Changed(isChange);
    }

    /// <summary>Opens them all, as a reset of the function does.</summary>
    public void Open() => Write(PortGateOffsets.Gate, sizeof(uint), 0);

    private EhciRootPort? PortAt(ulong offset)
    {
        ulong index = (offset - PortGateOffsets.FirstPort) / sizeof(uint);
        return offset % sizeof(uint) == 0 && index < (ulong)Ports.Count ? Ports[(int)index] : null;
    }

    private uint Mask(Func<EhciRootPort, bool> condition)
    {
        uint mask = 0;
        for (int index = 0; index < Ports.Count; index++)
            mask |= condition(Ports[index]) ? 1u << index : 0;
        return mask;
    }

    private IEnumerable<EhciRootPort> Named(uint mask) => Ports.Where((_, index) => (mask >> index & 1) != 0);
}
