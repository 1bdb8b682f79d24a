using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Hal;

/// <summary>Invalidates through registers, for units without a queue (VT-d, context command and IOTLB invalidate registers).</summary>
/// <param name="registers">The unit.</param>
/// <param name="unit">What it can do.</param>
internal sealed class RegisterInvalidator(UnitRegisters registers, UnitCapabilities unit) : IInvalidator
{
    private readonly Gate _gate = new();
    private readonly int _invalidateAddress = RegisterOffsets.InvalidateAddress(unit.Extended);
    private readonly int _iotlbInvalidate = RegisterOffsets.IotlbInvalidate(unit.Extended);

    public ulong Requests { get; private set; }

    public ValueTask Start() => default;

    public ValueTask Stop() => default;

    public async ValueTask<IReadOnlyList<SourceId>?> Invalidate(InvalidationRequest request, IReadOnlyList<DeviceTlbTarget>? devices = null)
    {
        // Registers have no word for devices: only a driver with a queue turns ATS on.
        System.Diagnostics.Debug.Assert(devices is null or { Count: 0 });
        await _gate.Enter();
        try
        {
            Requests++;
            registers.Cpu.Processor.Charge(Cost.Invalidation);
            if (request.Context != ContextGranularity.Reserved && !await TryContext(request) && !await TryContext(InvalidationRequest.Everything))
                throw registers.Broken("it refused to invalidate its context cache");
            if (request.Iotlb != IotlbGranularity.Reserved && !await TryIotlb(request) && !await TryIotlb(InvalidationRequest.Everything))
                throw registers.Broken("it refused to invalidate its IOTLB");
            return null;
        }
        finally
        {
            _gate.Leave();
        }
    }

    // The unit reports what it really did: at least what was asked for, or nothing.
    private async ValueTask<bool> TryContext(InvalidationRequest request)
    {
        ContextCommand command = new()
        {
            Invalidate = true,
            RequestedGranularity = request.Context,
            Source = request.Source,
            DomainId = request.ContextDomain,
        };
        registers.Window.Write64(RegisterOffsets.ContextCommand, command.Raw.Value);
        await registers.WaitFor(RegisterOffsets.ContextCommand, 8, new ContextCommand { Invalidate = true }.Raw.Value, 0);
        ContextCommand done = new(new(registers.Window.Read64(RegisterOffsets.ContextCommand)));
        return done.ActualGranularity is not ContextGranularity.Reserved && done.ActualGranularity <= request.Context;
    }

    private async ValueTask<bool> TryIotlb(InvalidationRequest request)
    {
        if (request.Iotlb == IotlbGranularity.Page)
        {
            InvalidateAddress address = new() { Address = request.Address, AddressMask = request.AddressMask, Hint = request.LeafOnly };
            registers.Window.Write64(_invalidateAddress, address.Raw.Value);
        }

        IotlbInvalidate command = new()
        {
            Invalidate = true,
            RequestedGranularity = request.Iotlb,
            DomainId = request.Domain,
            DrainReads = unit.Capability.ReadDrain,
            DrainWrites = unit.Capability.WriteDrain,
        };
        registers.Window.Write64(_iotlbInvalidate, command.Raw.Value);
        await registers.WaitFor(_iotlbInvalidate, 8, new IotlbInvalidate { Invalidate = true }.Raw.Value, 0);
        IotlbInvalidate done = new(new(registers.Window.Read64(_iotlbInvalidate)));
        return done.ActualGranularity is not IotlbGranularity.Reserved && done.ActualGranularity <= request.Iotlb;
    }
}
