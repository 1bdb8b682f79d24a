using Dma.Hal;
using Dma.Lab;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>Looks at every request of the controller: where it leads, and whether that page is the service VM's or granted at this moment.</summary>
internal sealed class ReachWatch
{
    private Assignment? _controller;

    /// <summary>The computer, once there is one.</summary>
    public ServiceMachine? Machine
    {
        get;
        set => (field, _controller) = (value, value?.Controller);
    }

    /// <summary>Requests that led into memory of a VM that did not grant it.</summary>
    public List<string> Wrongs { get; } = [];

    /// <summary>Stands before the remapping unit.</summary>
    public IDmaFabric Watch(IDmaFabric inner) => new WrappedFabric(inner, port => new Port(this, port));

    private void Look(Iova address, int length)
    {
        if (Machine is not { } machine || _controller?.Domain is not { } domain || InterruptRange.Contains(address.Value))
            return;
        for (ulong at = address.Value & ~0xFFFul; at < address.Value + (ulong)length; at += 4096)
        {
            // U1 and E2: memory of a guest is reached while its page is pinned for that, and never otherwise.
            if (!domain.TryFind(new(at), out RemappingLeaf leaf))
                continue;
            PhysicalAddress frame = new(leaf.Target.Value & ~0xFFFul);
            if (OwnerOf(machine, frame) is { } owner && machine.Host.Frames.PinsOf(frame) == 0)
                Wrongs.Add($"{address} leads into {owner}, which granted nothing.");
        }
    }

    // Looked for at each request: nothing is allocated for it.
    private static VirtualMachine? OwnerOf(ServiceMachine machine, PhysicalAddress frame)
    {
        FrameOwner owner = machine.Host.Frames.OwnerOf(frame);
        for (int number = 0; number < machine.Guests.Count; number++)
        {
            if (machine.Guests[number] is { IsRunning: true } guest && guest.Owner == owner)
                return guest;
        }

        return null;
    }

    private sealed class Port(ReachWatch watch, IDmaPort inner) : IDmaPort
    {
        public SourceId Source => inner.Source;

        public DmaStatus Read(Iova address, Span<byte> destination, DmaAttributes attributes = default)
        {
            watch.Look(address, destination.Length);
            return inner.Read(address, destination, attributes);
        }

        public DmaStatus Write(Iova address, ReadOnlySpan<byte> source, DmaAttributes attributes = default)
        {
            watch.Look(address, source.Length);
            return inner.Write(address, source, attributes);
        }
    }
}
