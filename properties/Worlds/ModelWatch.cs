using Dma.Lab;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>Stands between controllers that are made of software and the memory of their VMs: what a guest is told of, it finds (U3).</summary>
internal sealed class ModelWatch
{
    private readonly Dictionary<(VirtualMachine, SourceId), CompletionWatch> _controllers = [];

    /// <summary>Interrupts of all controllers.</summary>
    public ulong Interrupts => Sum(static controller => controller.Interrupts);

    /// <summary>Interrupts before which no status was written.</summary>
    public ulong Premature => Sum(static controller => controller.Premature);

    /// <summary>Interrupts whose status the guest did not find in its memory.</summary>
    public ulong Unseen => Sum(static controller => controller.Unseen);

    /// <summary>Sees the requests of the virtual functions of a VM.</summary>
    public IDmaFabric Around(VirtualMachine machine, IDmaFabric inner) => new WrappedFabric(inner, port => new Port(Of(machine, port.Source), machine, port));

    private ulong Sum(Func<CompletionWatch, ulong> count) => _controllers.Values.Aggregate(0ul, (sum, controller) => sum + count(controller));

    // The same one when the function is plugged in again, or moves.
    private CompletionWatch Of(VirtualMachine machine, SourceId source)
    {
        if (!_controllers.TryGetValue((machine, source), out CompletionWatch? controller))
            _controllers.Add((machine, source), controller = new());
        return controller;
    }

    private sealed class Port(CompletionWatch controller, VirtualMachine machine, IDmaPort inner) : IDmaPort
    {
        public SourceId Source => inner.Source;

        public DmaStatus Read(Iova address, Span<byte> destination, DmaAttributes attributes = default) => inner.Read(address, destination, attributes);

        public DmaStatus Write(Iova address, ReadOnlySpan<byte> source, DmaAttributes attributes = default)
        {
            // A function of the host that was assigned writes by itself; its interrupts alone come this way.
            if (machine.Pci.Find(Source) is { } function and (EhciController or XhciController))
                controller.Saw(address, source, () => CompletionWatch.HasOtherCause(function), Finds);
            return inner.Write(address, source, attributes);
        }

        private bool Finds(Iova address, byte[] bytes)
        {
            byte[] found = new byte[bytes.Length];
            return machine.Cpu.TryRead(new(address.Value), found) && found.AsSpan().SequenceEqual(bytes);
        }
    }
}
