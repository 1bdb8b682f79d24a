using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>Sends SET_ADDRESS to the device at address 0: the controller, not software, chooses addresses (xHCI, address device).</summary>
internal sealed class AddressSetter(Transactor transactor)
{
    private const int ErrorsMax = 3;

    // USB 2.0, set address processing: 50 ms, in microframes.
    private const ulong PatienceMicroframes = 400;

    private readonly byte[] _packet = new byte[UsbBus.PacketMax + 8];
    private ulong _beganAt;
    private int _errors;
    private bool _hasSetup;
    private bool _hasBegun;

    /// <summary>Whether a device is being spoken to.</summary>
    public bool IsBusy => Trial is not null;

    /// <summary>The slot that the address is for, as it would be; null while idle.</summary>
    public DeviceSlot? Trial { get; private set; }

    /// <summary>The address.</summary>
    public byte Address { get; private set; }

    /// <summary>Begins.</summary>
    public void Begin(DeviceSlot trial, byte address) => (Trial, Address, _errors, _hasSetup, _hasBegun) = (trial, address, 0, false, false);

    /// <summary>Gives up, or is done.</summary>
    public void Abandon() => Trial = null;

    /// <summary>Goes on as far as it goes now.</summary>
    /// <returns>Success, what went wrong, or none where the device needs more time.</returns>
    public CompletionCode Continue(ulong microframe)
    {
        if (!_hasBegun)
            (_beganAt, _hasBegun) = (microframe, true);
        while (true)
        {
            Transaction done = Next();
            switch (done.Outcome)
            {
                case TransactionOutcome.Done when _hasSetup:
                    transactor.Acknowledge(Endpoint, default, isTaken: true);
                    Transactor.End(Endpoint, TransferOutcome.Completed);
                    return CompletionCode.Success;
                case TransactionOutcome.Done:
                    (_hasSetup, _errors) = (true, 0);
                    break;
                case TransactionOutcome.Stall:
                    return Failed(CompletionCode.Stall, TransferOutcome.Stalled);
                case TransactionOutcome.Nak or TransactionOutcome.Pending or TransactionOutcome.Repeated:
                    return microframe - _beganAt > PatienceMicroframes
                        ? Failed(CompletionCode.TransactionError, TransferOutcome.TransactionError)
                        : CompletionCode.None;
                default:
                    if (++_errors >= ErrorsMax)
                        return Failed(CompletionCode.TransactionError, TransferOutcome.TransactionError);
                    break;
            }
        }
    }

    private XhciEndpoint Endpoint => Trial!.Find(ContextIndex.Control)!;

    private Transaction Next()
    {
        if (_hasSetup)
        {
            Transaction status = transactor.Receive(Endpoint, toggle: true, _packet);
            return status is { Outcome: TransactionOutcome.Done, Length: not 0 } ? status with { Outcome = TransactionOutcome.Error } : status;
        }

        SetupPacket setup = new() { Request = (byte)StandardRequest.SetAddress, Value = Address };
        Span<byte> packet = stackalloc byte[SetupPacket.Size];
        Packed.Write(setup, packet);
        return transactor.Send(Endpoint, UsbPid.Setup, UsbPid.Data0, packet);
    }

    private CompletionCode Failed(CompletionCode code, TransferOutcome outcome)
    {
        Transactor.End(Endpoint, outcome);
        return code;
    }
}
