using Dma.Machine;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>Looks into the EPT of every VM and at the owners of frames: each page that is polled is in one VM alone, and nothing of one that was given back is left (H6).</summary>
/// <param name="host">The host.</param>
internal sealed class PolledPageWatch(Host host)
{
    private const int PageBytes = 4096;

    private readonly Dictionary<PhysicalAddress, PolledRegisters> _owners = [];
    private readonly Dictionary<PhysicalAddress, VirtualMachine> _reached = [];
    private readonly byte[] _content = new byte[PageBytes];

    /// <summary>Pages that were polled and were given back.</summary>
    public int GivenBack { get; private set; }

    /// <summary>Looks.</summary>
    /// <param name="plugged">The devices whose registers are polled, each with the place where its VM decodes them; null where it decodes them nowhere.</param>
    public void Check(IReadOnlyList<(PolledRegisters Registers, ulong? DecodedAt)> plugged)
    {
        _reached.Clear();
        foreach (VirtualMachine machine in host.Machines)
        {
            EptLeaves.Find(machine, (page, frame) =>
            {
                // What is no memory of the VM is the registers of a device of its own, at their place.
                if (host.Frames.OwnerOf(frame) != machine.Owner)
                    See(machine, page, frame, plugged);
            });
        }

        foreach ((PolledRegisters registers, _) in plugged)
            Assert.Equal(registers.MappedPages, _reached.Values.Count(machine => machine == registers.Machine));
        CheckGivenBack(plugged);
    }

    private void See(VirtualMachine machine, GuestPhysicalAddress page, PhysicalAddress frame, IReadOnlyList<(PolledRegisters Registers, ulong? DecodedAt)> plugged)
    {
        FrameOwner owner = host.Frames.OwnerOf(frame);
        if (owner != FrameOwner.Vmm)
            Assert.Fail($"{machine} reaches {frame} of {owner} at {page}.");
        (PolledRegisters? registers, _) = plugged.FirstOrDefault(device => device.Registers.Machine == machine && device.DecodedAt == page.Value);
        if (registers is null)
            Assert.Fail($"{machine} reaches {frame} of the VMM at {page}, where it has no device that is polled.");
        if (!_reached.TryAdd(frame, machine))
            Assert.Fail($"{_reached[frame]} and {machine} reach {frame}.");
        if (_owners.TryGetValue(frame, out PolledRegisters? before) && before != registers)
            Assert.Fail($"{frame} was a page of another device.");
        _owners[frame] = registers;
    }

    // Nobody reaches it, which is seen above; a poller that still did something for it would write into it.
    private void CheckGivenBack(IReadOnlyList<(PolledRegisters Registers, ulong? DecodedAt)> plugged)
    {
        foreach ((PhysicalAddress frame, PolledRegisters registers) in _owners.ToArray())
        {
            if (plugged.Any(device => device.Registers == registers))
                continue;
            if (host.Frames.OwnerOf(frame) == FrameOwner.Free)
            {
                Assert.True(host.Memory.TryRead(frame, _content));
                Assert.False(_content.AsSpan().ContainsAnyExcept((byte)0), $"Something of registers that were given back is left in {frame}.");
            }

            _ = _owners.Remove(frame);
            GivenBack++;
        }
    }
}
