using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>Tells whoever watches the bus where transfers end, by the status that their descriptors are given.</summary>
internal sealed class TransferEnds(EhciWire wire)
{
    /// <summary>A qTD is retired.</summary>
    public void Ended(in QueueRun run, TransferToken token)
    {
        if (!wire.IsWatched || run.IsInside)
            return;
        EndpointCharacteristics endpoint = run.Head.Characteristics;
        TransferType type = run.Context.IsPeriodic ? TransferType.Interrupt : endpoint.Endpoint == 0 ? TransferType.Control : TransferType.Bulk;
        UsbPid pid = token.PacketId switch
        {
            PacketId.In => UsbPid.In,
            PacketId.Setup => UsbPid.Setup,
            _ => UsbPid.Out,
        };
        TransferOutcome outcome = !token.Halted ? TransferOutcome.Completed
            : token.Babble ? TransferOutcome.Babble
            : token.BufferError ? TransferOutcome.BufferError
            : token.TransactionError && token.ErrorCount == 0 ? TransferOutcome.TransactionError
            : TransferOutcome.Stalled;
        wire.EndTransfer(new(pid, (byte)endpoint.DeviceAddress, (byte)endpoint.Endpoint), type, outcome);
    }

    /// <summary>A slot of an iTD is done.</summary>
    public void Ended(in UsbToken token, IsochronousSlot slot)
    {
        TransferOutcome outcome = slot.Babble ? TransferOutcome.Babble
            : slot.BufferError ? TransferOutcome.BufferError
            : slot.TransactionError ? TransferOutcome.TransactionError
            : TransferOutcome.Completed;
        wire.EndTransfer(token, TransferType.Isochronous, outcome);
    }

    /// <summary>An siTD is done.</summary>
    public void Ended(in SplitIsochronousTransferDescriptor descriptor, SplitIsochronousState state)
    {
        SplitIsochronousEndpoint endpoint = descriptor.Endpoint;
        TransferOutcome outcome = state.Babble ? TransferOutcome.Babble
            : state.BufferError ? TransferOutcome.BufferError
            : state.MissedMicroframe ? TransferOutcome.Missed
            : state.TransactionError || state.TranslatorError ? TransferOutcome.TransactionError
            : TransferOutcome.Completed;
        wire.EndTransfer(new(endpoint.In ? UsbPid.In : UsbPid.Out, (byte)endpoint.DeviceAddress, (byte)endpoint.Endpoint), TransferType.Isochronous, outcome);
    }
}
